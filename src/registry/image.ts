import { createHash } from 'node:crypto'
import { PassThrough, pipeline, Readable } from 'node:stream'
import { createGunzip, createGzip } from 'node:zlib'
import { manifestDigest, parseManifest } from './manifest.ts'
import { saveManifest } from './manifests.ts'
import { mediaTypes } from './media-types.ts'
import type { ImageConfig, Registry } from './model.ts'
import type { RegistryOptions } from './ports.ts'

type Parts = Pick<RegistryOptions, 'store' | 'blobs' | 'clock'>

interface Layer {
  digest: string
  sizeBytes: number
  /** Digest of the tar, uncompressed. */
  diffId: string
}

/** Stores layers (tars, gzipped or not), builds configuration and manifest (Docker schema 2), and shows them under the tags. */
export async function putImage(
  parts: Parts,
  image: Parameters<Registry['putImage']>[0],
): Promise<{ digest: string }> {
  const layers: Layer[] = []
  for (const layer of image.layers) layers.push(await putLayer(parts, image.repository, layer))
  const config = Buffer.from(JSON.stringify(configOf(image.config, layers)))
  const { digest: configDigest } = await parts.blobs.put(config)
  await link(parts, image.repository, configDigest, config.length)
  const raw = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.dockerManifest,
      config: { mediaType: mediaTypes.dockerConfig, size: config.length, digest: configDigest },
      layers: layers.map(({ digest, sizeBytes }) => ({
        mediaType: mediaTypes.dockerLayer,
        size: sizeBytes,
        digest,
      })),
    }),
  )
  const digest = manifestDigest(raw)
  const parsed = parseManifest(raw, mediaTypes.dockerManifest)
  const { repository } = image
  for (const tag of image.tags.length === 0 ? [undefined] : image.tags)
    await saveManifest(parts, { repository, digest, raw, parsed, tag })
  return { digest }
}

async function putLayer(
  parts: Parts,
  repository: string,
  bytes: AsyncIterable<Uint8Array>,
): Promise<Layer> {
  const { head, whole } = await peek(bytes, 2)
  const isGzipped = head[0] === 0x1f && head[1] === 0x8b
  const diff = createHash('sha256')
  const stored = isGzipped ? whole : gzipped(hashed(whole, diff))
  const blob = isGzipped
    ? await putAndHashInside(parts, stored, diff)
    : await parts.blobs.put(stored)
  await link(parts, repository, blob.digest, blob.sizeBytes)
  return { ...blob, diffId: `sha256:${diff.digest('hex')}` }
}

/** Stores gzipped bytes as they are, and hashes what is inside on the way. */
async function putAndHashInside(
  parts: Parts,
  bytes: AsyncIterable<Uint8Array>,
  diff: ReturnType<typeof createHash>,
) {
  const compressed = new PassThrough()
  const inside = (async () => {
    for await (const chunk of pipeline(compressed, createGunzip(), () => {})) diff.update(chunk)
  })()
  const split = async function* () {
    try {
      for await (const chunk of bytes) {
        if (!compressed.write(chunk))
          await Promise.race([new Promise(resolve => compressed.once('drain', resolve)), inside])
        yield chunk
      }
      compressed.end()
    } catch (error) {
      compressed.destroy(error as Error)
      throw error
    }
  }
  const [blob] = await Promise.all([parts.blobs.put(split()), inside])
  return blob
}

/** Level 6 without a time stamp: the same tar gives the same digest on every machine with the same zlib. */
function gzipped(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return pipeline(Readable.from(bytes), createGzip({ level: 6 }), () => {})
}

async function* hashed(
  bytes: AsyncIterable<Uint8Array>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    hash.update(chunk)
    yield chunk
  }
}

/** The first bytes, and all of them. */
async function peek(
  bytes: AsyncIterable<Uint8Array>,
  count: number,
): Promise<{ head: Uint8Array; whole: AsyncIterable<Uint8Array> }> {
  const iterator = bytes[Symbol.asyncIterator]()
  let head: Uint8Array = Buffer.alloc(0)
  while (head.length < count) {
    const next = await iterator.next()
    if (next.done) break
    head = Buffer.concat([head, next.value])
  }
  const whole = async function* () {
    yield head
    for (;;) {
      const next = await iterator.next()
      if (next.done) return
      yield next.value
    }
  }
  return { head, whole: whole() }
}

async function link(
  { store, clock }: Parts,
  repository: string,
  digest: string,
  sizeBytes: number,
): Promise<void> {
  await store.linkBlob({ repository, digest, sizeBytes, linkedAt: clock.now() })
}

/** The image configuration (OCI image spec, "config"). The creation time is fixed: the same content is the same image. */
function configOf(config: ImageConfig, layers: readonly Layer[]) {
  const set = (names: readonly string[] | undefined) =>
    names && Object.fromEntries(names.map(name => [name, {}]))
  return {
    architecture: 'amd64',
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: {
      Entrypoint: config.entrypoint,
      Cmd: config.command,
      Env: config.env,
      User: config.user,
      WorkingDir: config.workingDir,
      ExposedPorts: set(config.exposedPorts),
      Volumes: set(config.volumes),
      Labels: config.labels,
    },
    rootfs: { type: 'layers', diff_ids: layers.map(layer => layer.diffId) },
    history: layers.map(() => ({ created: '1970-01-01T00:00:00Z', created_by: 'slipway' })),
  }
}
