import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Failure, sha256 } from '../../lib/index.ts'
import type { Registry } from '../../registry/index.ts'
import { busybox } from './busybox.ts'
import { debian } from './debian.ts'
import { dockerCli, dockerEngine } from './docker.ts'
import { herokuCli } from './heroku-cli.ts'
import { type Layer, type LayerRecipe, layerOf, readLayer, recipeId } from './layer.ts'
import { node } from './node.ts'
import { createPackages } from './packages.ts'
import { python } from './python.ts'
import type { StandIn } from './stand-in.ts'

/** What seeding needs of the registry; `putImage` takes layers as gzipped tars, lowest first. */
export type ImageSink = Pick<Registry, 'putImage' | 'tags'>

export interface SeedOptions {
  registry: ImageSink
  /** Layers and downloads are kept below it; a second seed finds them there. */
  workDirectory: string
  /** Names such as `node:24-slim`; all when left out. */
  only?: readonly string[]
  /** PEM: whom the Heroku CLI stand-in trusts besides the public authorities. */
  certificates?: string
  signal?: AbortSignal
  onProgress?: (progress: SeedProgress) => void
}

export interface SeedProgress {
  /** `node:24-slim` */
  name: string
  step: 'building' | 'storing' | 'done' | 'kept'
  done: number
  total: number
}

export interface SeededImage {
  names: string[]
  digest: string
  sizeBytes: number
}

/** In the order in which a first pipeline wants them. */
export function standIns(certificates?: string): StandIn[] {
  return [dockerEngine, node(), herokuCli(certificates), dockerCli, busybox, python, debian]
}

/** `docker.io/library/node` and `24-slim` → `node:24-slim`. */
export function namesOf({ repository, tags }: StandIn): string[] {
  const short = repository.replace(/^docker\.io\/(library\/)?/, '')
  return tags.map(tag => `${short}:${tag}`)
}

/**
 * Makes the stand-ins and puts them into the mirror, two at a time. What is there already is left alone, so that again takes no time.
 * Errors: `Failure('invalid')` for an unknown name in `only`, `Failure('unavailable')` when the material can't be had.
 */
export async function seedImages(options: SeedOptions): Promise<SeededImage[]> {
  const wanted = select(standIns(options.certificates), options.only)
  const packagesDirectory = join(options.workDirectory, 'packages')
  const stop = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal
  const layer = layersOnce({
    directory: join(options.workDirectory, 'layers'),
    packages: createPackages(packagesDirectory),
    signal,
  })
  let done = 0
  const seed = async (image: StandIn): Promise<SeededImage> => {
    const names = namesOf(image)
    const report = (step: SeedProgress['step']) =>
      options.onProgress?.({ name: names.join(', '), step, done, total: wanted.length })
    const record = recordOf(options.workDirectory, image)
    const before = await record.read()
    if (before !== undefined && (await holds(options.registry, image, before.digest))) {
      done++
      report('kept')
      return { names, ...before }
    }
    report('building')
    const made: Layer[] = []
    for (const recipe of image.layers) made.push(await layer(recipe))
    signal.throwIfAborted()
    report('storing')
    const { digest } = await options.registry.putImage({
      repository: image.repository,
      tags: [...image.tags],
      layers: made.map(readLayer),
      config: image.config,
    })
    const sizeBytes = made.reduce((sum, one) => sum + one.sizeBytes, 0)
    await record.write({ digest, sizeBytes })
    done++
    report('done')
    return { names, digest, sizeBytes }
  }
  try {
    return await twoAtATime(wanted, seed, stop)
  } finally {
    await rm(packagesDirectory, { recursive: true, force: true })
  }
}

function select(all: StandIn[], only?: readonly string[]): StandIn[] {
  if (only === undefined || only.length === 0) return all
  const unknown = only.filter(name => !all.some(image => namesOf(image).includes(name)))
  if (unknown.length > 0)
    throw new Failure('invalid', `no stand-in is made for ${unknown.join(', ')}`, {
      hint: `There are ${all.flatMap(namesOf).join(', ')}.`,
    })
  return all.filter(image => namesOf(image).some(name => only.includes(name)))
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

async function holds(registry: ImageSink, image: StandIn, digest: string): Promise<boolean> {
  const tags = await registry.tags(image.repository)
  return image.tags.every(name => tags.some(tag => tag.name === name && tag.digest === digest))
}

/** What the last seed made of exactly this definition. */
function recordOf(workDirectory: string, image: StandIn) {
  const identity = JSON.stringify([image.layers.map(recipeId), image.config, image.tags])
  const name = namesOf(image)[0]!.replaceAll(/[/:]/g, '-')
  const path = join(workDirectory, 'images', `${name}-${sha256(identity).slice(0, 16)}.json`)
  return {
    async read(): Promise<{ digest: string; sizeBytes: number } | undefined> {
      const text = await readFile(path, 'utf8').catch(() => undefined)
      return text === undefined ? undefined : JSON.parse(text)
    },
    async write(value: { digest: string; sizeBytes: number }): Promise<void> {
      await mkdir(dirname(path), { recursive: true })
      await writeFile(`${path}.partial`, JSON.stringify(value))
      await rename(`${path}.partial`, path)
    },
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
