import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Failure } from '../../lib/index.ts'
import type { LocalServer } from '../local-client.ts'
import { busybox } from './busybox.ts'
import { debian } from './debian.ts'
import { dockerCli, dockerEngine } from './docker.ts'
import { herokuCli } from './heroku-cli.ts'
import { type Layer, type LayerRecipe, layerOf } from './layer.ts'
import { node } from './node.ts'
import { createPackages } from './packages.ts'
import { push } from './push.ts'
import { python } from './python.ts'
import type { StandIn } from './stand-in.ts'

export interface SeedOptions {
  server: LocalServer
  /** Layers are kept here for every instance of this machine and user; default: `cacheDirectory(process.env)`. */
  cacheDirectory: string
  /** Names such as `node` or `node:24-slim`; all when left out. */
  only?: readonly string[]
  signal?: AbortSignal
  onProgress?: (progress: SeedProgress) => void
}

export interface SeedProgress {
  /** `node:24-slim` */
  name: string
  /** `kept`: the mirror has exactly this image. */
  step: 'building' | 'pushing' | 'pushed' | 'kept'
  done: number
  total: number
}

export interface SeededImage {
  names: string[]
  digest: string
  sizeBytes: number
}

/** `$XDG_CACHE_HOME/slipway/images`, or below `~/.cache`. */
export function cacheDirectory(env: Readonly<Record<string, string | undefined>>): string {
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'slipway/images')
}

/** In the order in which a first pipeline wants them. */
export function standIns(): StandIn[] {
  return [dockerEngine, node(), herokuCli, dockerCli, busybox, python, debian]
}

/** `docker.io/library/node` and `24-slim` → `node:24-slim`. */
export function namesOf({ repository, tags }: StandIn): string[] {
  const short = repository.replace(/^docker\.io\/(library\/)?/, '')
  return tags.map(tag => `${short}:${tag}`)
}

/**
 * Makes the stand-ins and pushes them into the mirror of a running server, two at a time. What is there already is left alone.
 * Errors: `Failure('invalid')` for an unknown name in `only`, `Failure('unavailable')` when the material or the server can't be had.
 */
export async function seedImages(options: SeedOptions): Promise<SeededImage[]> {
  const wanted = select(standIns(), options.only)
  const stop = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal
  await mkdir(options.cacheDirectory, { recursive: true })
  const scratch = await mkdtemp(join(options.cacheDirectory, 'packages-'))
  const packages = createPackages(scratch)
  const layer = layersOnce({ directory: options.cacheDirectory, packages, signal })
  let done = 0
  const seed = async (image: StandIn): Promise<SeededImage> => {
    const names = namesOf(image)
    const report = (step: SeedProgress['step']) =>
      options.onProgress?.({ name: names.join(', '), step, done, total: wanted.length })
    report('building')
    const layers: Layer[] = []
    for (const recipe of image.layers) layers.push(await layer(recipe))
    signal.throwIfAborted()
    report('pushing')
    const { digest, wasThere } = await push(options.server, image, layers, signal)
    done++
    report(wasThere ? 'kept' : 'pushed')
    return { names, digest, sizeBytes: layers.reduce((sum, one) => sum + one.sizeBytes, 0) }
  }
  try {
    return await twoAtATime(wanted, seed, stop)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

function select(all: StandIn[], only: readonly string[] = []): StandIn[] {
  if (only.length === 0) return all
  const answersTo = (image: StandIn, name: string) =>
    image.name === name || namesOf(image).includes(name)
  const unknown = only.filter(name => !all.some(image => answersTo(image, name)))
  if (unknown.length > 0)
    throw new Failure('invalid', `no stand-in is made for ${unknown.join(', ')}`, {
      hint: `There are ${all.flatMap(namesOf).join(', ')}.`,
    })
  return all.filter(image => only.some(name => answersTo(image, name)))
}

/** Layers shared by images are made once. */
function layersOnce(options: Parameters<typeof layerOf>[1]) {
  const layers = new Map<string, Promise<Layer>>()
  return (recipe: LayerRecipe): Promise<Layer> => {
    const making = layers.get(recipe.name) ?? layerOf(recipe, options)
    layers.set(recipe.name, making)
    return making
  }
}

/** In order; the first failure stops the rest, and is thrown when all have stopped. */
async function twoAtATime<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  stop: AbortController,
): Promise<R[]> {
  const results: R[] = []
  const rest = [...items.entries()]
  const worker = async () => {
    for (let next = rest.shift(); next !== undefined; next = rest.shift())
      results[next[0]] = await work(next[1])
  }
  const firstFailure: unknown[] = []
  const workers = [worker(), worker()].map(one =>
    one.catch((error: unknown) => {
      firstFailure.push(error)
      rest.length = 0
      stop.abort(error)
    }),
  )
  await Promise.all(workers)
  if (firstFailure.length > 0) throw firstFailure[0]
  return results
}
