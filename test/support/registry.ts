import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, request as sendRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { createAccounts } from '../../src/accounts/index.ts'
import { type BlobStore, createMemoryBlobs } from '../../src/blobs/index.ts'
import {
  type Clock,
  seededRandom,
  silentLogger,
  systemClock,
  systemRandom,
} from '../../src/lib/index.ts'
import {
  createRegistry,
  type RegistryEvent,
  type RegistryOptions,
} from '../../src/registry/index.ts'
import { openStore } from '../../src/store/index.ts'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  /** `errors[0].code` of an OCI error. */
  code: string | undefined
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers by path
  json(): any
}

export interface Call {
  method?: string
  headers?: Record<string, string>
  body?: Uint8Array | string | AsyncIterable<Uint8Array>
  /** `user:password` */
  as?: string
  host?: string
}

/** A registry on a loopback port with users `root` (administrator), `alice`, `bob`; password `password-NAME`, token `token-NAME`. */
export async function startRegistry(
  options: Partial<RegistryOptions> & { blobs?: BlobStore; file?: string; clock?: Clock } = {},
) {
  const clock = options.clock ?? systemClock
  const store = await openStore(options.file ?? ':memory:')
  const accounts = createAccounts({
    store: store.accounts,
    clock,
    random: options.file === undefined ? seededRandom() : systemRandom,
    hashing: {
      hash: async password => `hash:${password}`,
      verify: async (hash, password) => hash === `hash:${password}`,
    },
  })
  const users = await addUsers(accounts)
  const events: RegistryEvent[] = []
  const registry = createRegistry({
    store: store.registry,
    blobs: createMemoryBlobs(),
    accounts,
    appFor: async name =>
      name === 'shop' ? { ownerId: users.alice.id, collaboratorIds: [] } : undefined,
    clock,
    random: systemRandom,
    log: silentLogger,
    onEvent: event => events.push(event),
    signingKey: createHash('sha256').update('a key for tests').digest(),
    ...options,
  })
  const server = createServer(async (request, response) => {
    if (!(await registry.handle(request, response))) response.writeHead(404).end('not ours')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const call = (path: string, options?: Call) => callAt(port, path, options)
  return {
    registry,
    store,
    accounts,
    users,
    events,
    port,
    call,
    ...pushers(call),
    async close() {
      server.closeAllConnections()
      server.close()
      await store.close()
    },
  }
}

export type TestRegistry = Awaited<ReturnType<typeof startRegistry>>

async function addUsers(accounts: ReturnType<typeof createAccounts>) {
  const add = async (username: string, admin: boolean) => {
    const known = await accounts.user(username)
    if (known !== undefined) return known
    const user = await accounts.createUser({
      username,
      name: username,
      email: `${username}@example.com`,
      password: `password-${username}`,
      admin,
    })
    await accounts.createToken({
      userId: user.id,
      name: 'test',
      scopes: ['api'],
      preset: `token-${username}`,
    })
    return user
  }
  return {
    root: await add('root', true),
    alice: await add('alice', false),
    bob: await add('bob', false),
  }
}

/** One request, without redirects and without touching the path. */
export async function callAt(port: number, path: string, options: Call = {}): Promise<Answer> {
  const { method = 'GET', body, as, host } = options
  const request = sendRequest({
    host: '127.0.0.1',
    port,
    path,
    method,
    agent: false,
    headers: {
      ...(as !== undefined && { authorization: `Basic ${Buffer.from(as).toString('base64')}` }),
      ...(host !== undefined && { host }),
      ...(body !== undefined &&
        (typeof body === 'string' || body instanceof Uint8Array) && {
          'content-length': Buffer.byteLength(body),
        }),
      ...options.headers,
    },
  })
  const answered = once(request, 'response')
  answered.catch(() => {})
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array)
    request.end(body)
  else Readable.from(body).pipe(request)
  const [response] = await answered
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  request.destroy()
  const bytes = Buffer.concat(chunks)
  const json = () => JSON.parse(bytes.toString())
  return {
    status: response.statusCode,
    headers: response.headers,
    body: bytes,
    json,
    code: codeOf(bytes),
  }
}

function codeOf(body: Buffer): string | undefined {
  try {
    return JSON.parse(body.toString()).errors[0].code
  } catch {
    return undefined
  }
}

export const sha256Of = (bytes: Uint8Array | string) =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`

const ociManifest = 'application/vnd.oci.image.manifest.v1+json'

/** The steps of a push, as clients make them. */
function pushers(call: (path: string, options?: Call) => Promise<Answer>) {
  const pushBlob = async (name: string, bytes: string | Uint8Array, options: Call = {}) => {
    const digest = sha256Of(bytes)
    const answer = await call(`/v2/${name}/blobs/uploads/?digest=${digest}`, {
      ...options,
      method: 'POST',
      body: bytes,
    })
    return { answer, digest, sizeBytes: Buffer.byteLength(bytes) }
  }
  const pushManifest = (name: string, reference: string, json: object, options: Call = {}) =>
    call(`/v2/${name}/manifests/${reference}`, {
      ...options,
      method: 'PUT',
      body: JSON.stringify(json),
      headers: { 'content-type': ociManifest, ...options.headers },
    })
  const pushImage = async (name: string, tag: string, content: string, options: Call = {}) => {
    const config = await pushBlob(name, `{"architecture":"amd64","for":"${content}"}`, options)
    const layer = await pushBlob(name, `layer ${content}`, options)
    const manifest = imageOf(config, [layer])
    const answer = await pushManifest(name, tag, manifest, options)
    return { answer, manifest, config, layer, digest: sha256Of(JSON.stringify(manifest)) }
  }
  return { pushBlob, pushManifest, pushImage }
}

type Part = { digest: string; sizeBytes: number }

export function imageOf(config: Part, layers: Part[], extra: object = {}) {
  return {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: config.digest,
      size: config.sizeBytes,
    },
    layers: layers.map(layer => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: layer.digest,
      size: layer.sizeBytes,
    })),
    ...extra,
  }
}
