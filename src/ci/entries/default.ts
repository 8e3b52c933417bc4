/** Keywords that a job takes from `default` when it doesn't say them. */
import { child, type MapNode, type Node } from '../config/node.ts'
import { type ArtifactsEntry, readArtifacts } from './artifacts.ts'
import { type CacheEntry, readCaches } from './cache.ts'
import { readDuration } from './duration.ts'
import { type Plain, readHooks, readIdentity, readIdTokens } from './extras.ts'
import { type ImageEntry, readImage, readServices } from './image.ts'
import { type Place, readBoolean, readStrings, refuse, under } from './kit.ts'
import { type RetryEntry, readRetry } from './retry.ts'
import { readCommands } from './script.ts'

export interface Inheritable {
  afterScript?: string[]
  artifacts?: ArtifactsEntry
  beforeScript?: string[]
  cache?: CacheEntry[]
  hooks?: { pre_get_sources_script?: string[] }
  idTokens?: Plain
  identity?: string
  image?: ImageEntry
  interruptible?: boolean
  retry?: RetryEntry
  services?: ImageEntry[]
  tags?: string[]
  timeoutSeconds?: number
}

const monthSeconds = 30 * 24 * 3600
const maxTags = 50

type Readers = {
  readonly [K in keyof Inheritable]-?: {
    key: string
    read: (place: Place, node: Node) => Inheritable[K]
  }
}

const readers: Readers = {
  afterScript: { key: 'after_script', read: readCommands },
  artifacts: { key: 'artifacts', read: readArtifacts },
  beforeScript: { key: 'before_script', read: readCommands },
  cache: { key: 'cache', read: readCaches },
  hooks: { key: 'hooks', read: readHooks },
  idTokens: { key: 'id_tokens', read: readIdTokens },
  identity: { key: 'identity', read: readIdentity },
  image: { key: 'image', read: readImage },
  interruptible: {
    key: 'interruptible',
    read: (place, node) => readBoolean(place, node, 'config'),
  },
  retry: { key: 'retry', read: readRetry },
  services: { key: 'services', read: readServices },
  tags: { key: 'tags', read: readTags },
  timeoutSeconds: {
    key: 'timeout',
    read: (place, node) =>
      readDuration(place, node, 'config', { maxSeconds: monthSeconds })?.seconds,
  },
}

/** Keys that `default` may have. */
export const defaultKeys: readonly string[] = Object.values(readers).map(one => one.key)

/** Reads what of these stands in the mapping; `keys` narrows which are looked at. */
export function readInheritable(
  place: Place,
  map: MapNode,
  keys: readonly string[] = defaultKeys,
): Inheritable {
  const found: [string, unknown][] = []
  for (const [name, reader] of Object.entries(readers)) {
    const node = keys.includes(reader.key) ? child(map, reader.key) : undefined
    if (node === undefined) continue
    const value = reader.read(under(place, reader.key), node)
    if (value !== undefined) found.push([name, value])
  }
  return Object.fromEntries(found)
}

/** What of the defaults a job gets: keys that it doesn't say itself and that `inherit` lets through. */
export function inherited(
  defaults: Inheritable,
  job: MapNode,
  inherits: (key: string) => boolean,
  keys: readonly string[] = defaultKeys,
): Inheritable {
  const taken = Object.entries(readers).flatMap(([name, { key }]) => {
    const value = defaults[name as keyof Inheritable]
    const isTaken =
      value !== undefined && keys.includes(key) && child(job, key) === undefined && inherits(key)
    return isTaken ? [[name, value]] : []
  })
  return Object.fromEntries(taken)
}

function readTags(place: Place, node: Node): string[] | undefined {
  const tags = readStrings(place, node, 'config')
  if (tags && tags.length >= maxTags) {
    return refuse(place, node.mark, `config must be less than the limit of ${maxTags} tags`)
  }
  return tags
}
