import type { Clock } from '../../lib/index.ts'
import { Failure } from '../../lib/index.ts'
import type { ImageInfo, PullOptions, PullProgress } from '../index.ts'
import { failureOfMessage } from './failures.ts'
import type { WireImage, WireProgress } from './wire.ts'

const progressEveryMs = 250

/** `fromImage` and `tag` of a reference; without a tag the engine would pull every tag there is. */
export function splitReference(reference: string): { name: string; tag: string } {
  const digestAt = reference.indexOf('@')
  if (digestAt > 0)
    return {
      name: reference.slice(0, digestAt).replace(/:[^:/]+$/, ''),
      tag: reference.slice(digestAt + 1),
    }
  const colon = reference.lastIndexOf(':')
  if (colon > reference.lastIndexOf('/'))
    return { name: reference.slice(0, colon), tag: reference.slice(colon + 1) }
  return { name: reference, tag: 'latest' }
}

/** The value of `X-Registry-Auth`. */
export function registryAuth(auth: NonNullable<PullOptions['auth']>, reference: string): string {
  const host = reference.split('/')[0] ?? ''
  const isHost = reference.includes('/') && (/[.:]/.test(host) || host === 'localhost')
  const json = JSON.stringify({
    ...auth,
    serveraddress: isHost ? host : 'https://index.docker.io/v1/',
  })
  // Docker wants the padding that base64url leaves out, and takes what it can't decode as no credentials
  const encoded = Buffer.from(json).toString('base64url')
  return encoded.padEnd(Math.ceil(encoded.length / 4) * 4, '=')
}

export function imageOf(image: WireImage): ImageInfo {
  const config = image.Config ?? {}
  return {
    id: image.Id,
    digests: image.RepoDigests ?? [],
    sizeBytes: image.Size,
    entrypoint: config.Entrypoint ?? [],
    command: config.Cmd ?? [],
    env: config.Env ?? [],
    user: config.User ?? '',
    workingDir: config.WorkingDir ?? '',
    exposedPorts: Object.keys(config.ExposedPorts ?? {}),
  }
}

/** Reads a pull's or import's lines to the end; tells of progress a few times a second and once at the end. Throws what the engine reports. */
export async function followProgress(
  lines: AsyncIterable<WireProgress>,
  clock: Clock,
  onProgress?: (progress: PullProgress) => void,
): Promise<void> {
  const meter = progressMeter()
  let toldAt = Number.NEGATIVE_INFINITY
  let isUntold = false
  for await (const line of lines) {
    const message = line.errorDetail?.message ?? line.error
    if (message !== undefined) throw failureOfMessage(message)
    meter.add(line)
    isUntold = true
    if (onProgress === undefined || clock.now() - toldAt < progressEveryMs) continue
    toldAt = clock.now()
    isUntold = false
    onProgress(meter.total())
  }
  if (isUntold) onProgress?.(meter.total())
}

interface Layer {
  bytes: number
  bytesTotal: number
  done: boolean
}

const layerDone = new Set(['Pull complete', 'Already exists'])
const layerFetched = new Set(['Verifying Checksum', 'Download complete', 'Extracting'])
/** Only these name a layer; `Pulling from library/node` carries the tag as its id. */
const layerWords = new Set([
  'Pulling fs layer',
  'Waiting',
  'Downloading',
  ...layerDone,
  ...layerFetched,
])

function progressMeter() {
  const layers = new Map<string, Layer>()
  let text = ''
  return {
    add(line: WireProgress): void {
      text = line.status ?? text
      if (line.id === undefined || line.status === undefined || !layerWords.has(line.status)) return
      const layer = layers.get(line.id) ?? { bytes: 0, bytesTotal: 0, done: false }
      layers.set(line.id, layer)
      if (line.status === 'Downloading') {
        layer.bytes = line.progressDetail?.current ?? layer.bytes
        layer.bytesTotal = Math.max(line.progressDetail?.total ?? 0, layer.bytesTotal, layer.bytes)
      }
      if (layerFetched.has(line.status) || layerDone.has(line.status))
        layer.bytes = layer.bytesTotal
      if (layerDone.has(line.status)) layer.done = true
    },
    total(): PullProgress {
      const all = [...layers.values()]
      return {
        layers: all.length,
        layersDone: all.filter(layer => layer.done).length,
        bytes: all.reduce((sum, layer) => sum + layer.bytes, 0),
        bytesTotal: all.reduce((sum, layer) => sum + layer.bytesTotal, 0),
        text,
      }
    },
  }
}

/** The failure for an image that isn't on the engine, with what to do. */
export function imageMissing(reference: string): Failure {
  return new Failure('not_found', `The engine has no image ${reference}.`, {
    hint: 'Pull it first, or check its name and tag.',
  })
}
