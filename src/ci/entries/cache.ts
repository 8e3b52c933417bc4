import { child, isString, type Mark, type Node } from '../config/node.ts'
import {
  asMap,
  onlyKeys,
  type Place,
  readBoolean,
  readChoice,
  readString,
  readStrings,
  refuse,
  shapeHint,
  under,
} from './kit.ts'

/** A key computed from files: SHA-1 over their blobs or last commits, after a prefix. */
export interface CacheKeyFiles {
  files: string[]
  /** `content`: the files' blobs; `commits`: the last commits that touched them. */
  by: 'content' | 'commits'
  prefix?: string
}

export interface CacheEntry {
  key: string | CacheKeyFiles
  paths: string[]
  untracked: boolean
  unprotect: boolean
  /** `pull-push`, `pull`, `push`, or a variable. */
  policy: string
  when: 'on_success' | 'on_failure' | 'always'
  fallbackKeys: string[]
  mark: Mark
}

const keys = ['key', 'untracked', 'paths', 'when', 'policy', 'unprotect', 'fallback_keys']
const maxCaches = 4
const maxFallbackKeys = 5

/** `cache:`, one or a list of up to four. */
export function readCaches(place: Place, node: Node): CacheEntry[] | undefined {
  if (node.kind !== 'list' && node.kind !== 'map') {
    return refuse(place, node.mark, 'config can only be a hash or an array', shapeHint(node))
  }
  const items = node.kind === 'list' ? node.items : [node]
  if (items.length > maxCaches) {
    refuse(place, items[maxCaches]!.mark, `config no more than ${maxCaches} caches can be created`)
  }
  const inner = node.kind === 'list' ? under(place, 'cache') : place
  return items.flatMap(item => readCache(inner, item) ?? [])
}

function readCache(place: Place, node: Node): CacheEntry | undefined {
  const map = asMap(place, node)
  if (!map) return undefined
  onlyKeys(place, map, keys)
  const fallback = child(map, 'fallback_keys')
  const fallbackKeys = readStrings(under(place, 'fallback_keys'), fallback, 'config') ?? []
  if (fallback && fallbackKeys.length > maxFallbackKeys) {
    const text = `fallback keys has to many entries (maximum ${maxFallbackKeys})`
    refuse(place, fallback.mark, text)
  }
  return {
    key: readKey(under(place, 'key'), child(map, 'key')) ?? 'default',
    paths: readStrings(under(place, 'paths'), child(map, 'paths'), 'config') ?? [],
    untracked: readBoolean(under(place, 'untracked'), child(map, 'untracked'), 'config') ?? false,
    unprotect: readBoolean(under(place, 'unprotect'), child(map, 'unprotect'), 'config') ?? false,
    policy: readPolicy(place, child(map, 'policy')) ?? 'pull-push',
    when:
      readChoice(place, child(map, 'when'), 'when', ['on_success', 'on_failure', 'always']) ??
      'on_success',
    fallbackKeys,
    mark: map.mark,
  }
}

function readPolicy(place: Place, node: Node | undefined): string | undefined {
  const policy = readString(place, node, 'policy')
  if (node === undefined || policy === undefined) return undefined
  if (/^(?:pull-push|push|pull|\$\w+|\$\{\w+\})$/.test(policy)) return policy
  return refuse(place, node.mark, 'policy should be a variable or one of: pull-push, push, pull')
}

function readKey(place: Place, node: Node | undefined): string | CacheKeyFiles | undefined {
  if (node === undefined) return undefined
  if (isString(node)) return readSimpleKey(place, node.value, node.mark)
  if (node.kind !== 'map') {
    return refuse(place, node.mark, 'should be a hash, a string or a symbol', shapeHint(node))
  }
  onlyKeys(place, node, ['files', 'files_commits', 'prefix'])
  const files = child(node, 'files')
  const commits = child(node, 'files_commits')
  if ((files === undefined) === (commits === undefined)) {
    const text = files
      ? 'config must use exactly one of these keys: files, files_commits'
      : 'config missing required keys: files'
    return refuse(place, node.mark, text)
  }
  const by = files ? 'content' : 'commits'
  const list = readFiles(under(place, files ? 'files' : 'files_commits'), (files ?? commits)!)
  const prefix = readString(under(place, 'prefix'), child(node, 'prefix'), 'config')
  return list && { files: list, by, ...(prefix !== undefined && { prefix }) }
}

function readSimpleKey(place: Place, key: string, mark: Mark): string | undefined {
  const path = key.replace(/%2f/gi, '/').replace(/%2e/gi, '.')
  if (path.includes('/')) {
    return refuse(
      place,
      mark,
      'config cannot contain the "/" character',
      'use `-`, or `$CI_COMMIT_REF_SLUG` in place of `$CI_COMMIT_REF_NAME`',
    )
  }
  if (path === '.' || path === '..') return refuse(place, mark, 'config cannot be "." or ".."')
  return key
}

function readFiles(place: Place, node: Node): string[] | undefined {
  const files = readStrings(place, node, 'config')
  if (!files) return undefined
  if (files.length < 1) return refuse(place, node.mark, 'config requires at least 1 item')
  if (files.length > 2) return refuse(place, node.mark, 'config has too many items (maximum is 2)')
  return files.map(file => file.replace(/^\/+/, ''))
}
