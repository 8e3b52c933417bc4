import { Readable } from 'node:stream'
import { type Dispatcher, request } from 'undici'
import { Failure, messageOf, sha256 } from '../../lib/index.ts'
import type { LocalServer } from '../local-client.ts'
import { type Layer, readLayer } from './layer.ts'
import type { StandIn } from './stand-in.ts'

const manifestType = 'application/vnd.docker.distribution.manifest.v2+json'
const requestTimeoutMs = 300_000

interface Image {
  manifest: Buffer
  digest: string
  config: Buffer
  configDigest: string
}

/**
 * Pushes an image by the OCI distribution protocol; what the registry has already isn't sent again.
 * Returns the manifest's digest and whether anything had to be sent.
 */
export async function push(
  server: LocalServer,
  standIn: StandIn,
  layers: readonly Layer[],
  signal?: AbortSignal,
): Promise<{ digest: string; wasThere: boolean }> {
  const image = assemble(standIn, layers)
  const call = caller(server, standIn.repository, signal)
  const tags: string[] = []
  for (const tag of standIn.tags)
    if ((await call.manifestDigest(tag)) !== image.digest) tags.push(tag)
  if (tags.length === 0) return { digest: image.digest, wasThere: true }
  for (const layer of layers)
    await call.blob(layer.digest, layer.sizeBytes, () => Readable.from(readLayer(layer)))
  await call.blob(image.configDigest, image.config.byteLength, () => image.config)
  for (const tag of tags) await call.manifest(tag, image.manifest)
  return { digest: image.digest, wasThere: false }
}

/** A Docker schema 2 manifest with its configuration; nothing in them depends on the time, so the same layers make the same image. */
export function assemble({ config }: StandIn, layers: readonly Layer[]): Image {
  const byName = (names: readonly string[] = []) =>
    Object.fromEntries(names.map(name => [name, {}]))
  const configuration = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      created: '1970-01-01T00:00:00Z',
      config: {
        Env: config.env,
        Entrypoint: config.entrypoint,
        Cmd: config.command,
        User: config.user,
        WorkingDir: config.workingDir,
        ExposedPorts: byName(config.exposedPorts),
        Volumes: byName(config.volumes),
        Labels: { ...config.labels, 'slipway.stand-in': 'true' },
      },
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
      history: layers.map(() => ({
        created: '1970-01-01T00:00:00Z',
        created_by: 'slipway admin images seed',
      })),
    }),
  )
  const configDigest = `sha256:${sha256(configuration)}`
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: {
        mediaType: 'application/vnd.docker.container.image.v1+json',
        size: configuration.byteLength,
        digest: configDigest,
      },
      layers: layers.map(({ sizeBytes, digest }) => ({
        mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
        size: sizeBytes,
        digest,
      })),
    }),
  )
  return { manifest, digest: `sha256:${sha256(manifest)}`, config: configuration, configDigest }
}

/** 503: the mirror doesn't have it, and can't ask its upstream. */
const absentOrThere = [200, 404, 503]

function caller(server: LocalServer, repository: string, signal?: AbortSignal) {
  const basic = Buffer.from(`root:${server.token.reveal()}`).toString('base64')

  const call = async (
    method: Dispatcher.HttpMethod,
    path: string,
    options: { body?: Buffer | Readable; type?: string; sizeBytes?: number; expected: number[] },
  ) => {
    const url = new URL(path, server.origin)
    const headers: Record<string, string> = {
      authorization: `Basic ${basic}`,
      accept: manifestType,
    }
    if (options.type !== undefined) headers['content-type'] = options.type
    if (options.sizeBytes !== undefined) headers['content-length'] = String(options.sizeBytes)
    const timeout = AbortSignal.timeout(requestTimeoutMs)
    const response = await request(url, {
      method,
      headers,
      body: options.body,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    }).catch((error: unknown) => {
      signal?.throwIfAborted()
      throw new Failure('unavailable', `${server.origin} does not answer: ${messageOf(error)}`, {
        hint: 'Is the server still running?',
        cause: error,
      })
    })
    const text = await response.body.text()
    if (!options.expected.includes(response.statusCode))
      throw new Failure(
        'unavailable',
        `${method} ${url.pathname}: the registry answered ${response.statusCode} ${text.slice(0, 300)}`,
      )
    return response
  }

  const base = `/v2/${repository}`
  return {
    async manifestDigest(tag: string): Promise<string | undefined> {
      const { headers, statusCode } = await call('HEAD', `${base}/manifests/${tag}`, {
        expected: absentOrThere,
      })
      return statusCode === 200 ? String(headers['docker-content-digest']) : undefined
    },
    async blob(digest: string, sizeBytes: number, body: () => Buffer | Readable): Promise<void> {
      const there = await call('HEAD', `${base}/blobs/${digest}`, { expected: absentOrThere })
      if (there.statusCode === 200) return
      const started = await call('POST', `${base}/blobs/uploads/`, { expected: [202] })
      const location = new URL(String(started.headers['location']), server.origin)
      location.searchParams.set('digest', digest)
      await call('PUT', `${location.pathname}${location.search}`, {
        body: body(),
        sizeBytes,
        type: 'application/octet-stream',
        expected: [201],
      })
    },
    async manifest(tag: string, manifest: Buffer): Promise<void> {
      const path = `${base}/manifests/${tag}`
      await call('PUT', path, { body: manifest, type: manifestType, expected: [201] })
    },
  }
}
