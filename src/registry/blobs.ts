import { createHash } from 'node:crypto'
import { RegistryError } from './errors.ts'
import type { Exchange, Parts } from './exchange.ts'
import { dropDamaged } from './garbage.ts'
import { parseRange, sendEmpty, sendStream } from './http.ts'
import type { Mirror } from './mirror.ts'

/** GET, HEAD and DELETE of `/v2/{name}/blobs/{digest}`. */
export async function serveBlob(
  parts: Parts & { mirror: Mirror },
  exchange: Exchange,
  repository: string,
  digest: string,
): Promise<void> {
  const { method } = exchange
  if (method === 'DELETE') return await deleteBlob(parts, exchange, repository, digest)
  if (method !== 'GET' && method !== 'HEAD')
    throw new RegistryError('UNSUPPORTED', `${method} is not for blobs`, {
      headers: { allow: 'GET, HEAD, DELETE' },
    })
  await exchange.require('pull', repository)
  const found = await findBlob(parts, exchange, repository, digest)
  if (found !== undefined) return await sendBlob(parts, exchange, digest, found.sizeBytes)
  if (!parts.mirror.has(repository)) throw blobUnknown(digest)
  await sendFromUpstream(parts, exchange, repository, digest)
}

/** A mirrored layer that isn't here yet: other images of the mirror may have it, else the upstream does. */
async function sendFromUpstream(
  parts: Parts & { mirror: Mirror },
  exchange: Exchange,
  repository: string,
  digest: string,
): Promise<void> {
  const known = await linkPublicBlob(parts, repository, digest)
  if (known !== undefined) return await sendBlob(parts, exchange, digest, known.sizeBytes)
  const { response, method } = exchange
  if (method === 'HEAD') {
    // Whoever may push asks whether to send it: only what is stored here counts.
    if (await exchange.may('push', repository)) throw blobUnknown(digest)
    const sizeBytes = await parts.mirror.blobSize(repository, digest)
    if (sizeBytes === undefined) throw blobUnknown(digest)
    response.writeHead(200, blobHeaders(digest, sizeBytes))
    return void response.end()
  }
  const fetched = await parts.mirror.blob(repository, digest)
  if (fetched === undefined) throw blobUnknown(digest)
  response.writeHead(200, blobHeaders(digest, fetched.sizeBytes))
  await sendStream(response, fetched.read())
}

/** A blob that this repository has, or may have at once: whoever may push here gets public mirrored layers linked. */
async function findBlob(
  parts: Parts,
  exchange: Exchange,
  repository: string,
  digest: string,
): Promise<{ sizeBytes: number } | undefined> {
  const linked = await parts.store.linkedBlob(repository, digest)
  if (linked !== undefined && (await parts.blobs.stat(digest)) !== undefined) return linked
  if (exchange.method !== 'HEAD' || !(await exchange.may('push', repository))) return undefined
  return await linkPublicBlob(parts, repository, digest)
}

/** Links a blob that any image of a mirror holds: everyone may read those, so nothing is told by saying it is here. */
export async function linkPublicBlob(
  parts: Parts,
  repository: string,
  digest: string,
): Promise<{ sizeBytes: number } | undefined> {
  if (!(await parts.store.isLinkedUnder(publicPrefixes(parts), digest))) return undefined
  return await link(parts, repository, digest)
}

/** Undefined when the blob isn't stored. */
export function link(
  parts: Pick<Parts, 'blobs' | 'store' | 'clock' | 'turns'>,
  repository: string,
  digest: string,
): Promise<{ sizeBytes: number } | undefined> {
  return parts.turns.run(digest, async () => {
    const blob = await parts.blobs.stat(digest)
    if (blob === undefined) return undefined
    const { sizeBytes } = blob
    await parts.store.linkBlob({ repository, digest, sizeBytes, linkedAt: parts.clock.now() })
    return { sizeBytes }
  })
}

function publicPrefixes(parts: Parts): string[] {
  return ['docker.io/', ...(parts.upstreams ?? []).map(upstream => `${upstream.prefix}/`)]
}

async function sendBlob(
  parts: Parts,
  { request, response, method }: Exchange,
  digest: string,
  sizeBytes: number,
): Promise<void> {
  const headers = blobHeaders(digest, sizeBytes)
  if (request.headers['if-none-match'] === `"${digest}"`)
    return sendEmpty(response, 304, { etag: `"${digest}"` })
  if (method === 'HEAD') {
    response.writeHead(200, headers)
    return void response.end()
  }
  const range = parseRange(request.headers.range, sizeBytes)
  const bytes = await parts.blobs.read(digest, range)
  if (range === undefined) {
    response.writeHead(200, headers)
    return await sendStream(response, verified(parts, digest, bytes))
  }
  response.writeHead(206, {
    ...headers,
    'content-length': range.end - range.start,
    'content-range': `bytes ${range.start}-${range.end - 1}/${sizeBytes}`,
  })
  await sendStream(response, bytes)
}

/** Holds the last chunk back until the digest is right: what has rotted on disk never arrives as a whole blob. */
async function* verified(
  parts: Parts,
  digest: string,
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const algorithm = digest.slice(0, digest.indexOf(':'))
  const hash = createHash(algorithm)
  let last: Uint8Array | undefined
  for await (const chunk of bytes) {
    if (last !== undefined) yield last
    hash.update(chunk)
    last = chunk
  }
  if (`${algorithm}:${hash.digest('hex')}` !== digest) {
    await dropDamaged(parts, digest)
    throw new RegistryError('UNKNOWN', 'the stored blob is damaged')
  }
  if (last !== undefined) yield last
}

function blobHeaders(digest: string, sizeBytes: number) {
  return {
    'content-type': 'application/octet-stream',
    'content-length': sizeBytes,
    'docker-content-digest': digest,
    'accept-ranges': 'bytes',
    'cache-control': 'max-age=31536000',
    etag: `"${digest}"`,
  }
}

async function deleteBlob(
  parts: Parts,
  exchange: Exchange,
  repository: string,
  digest: string,
): Promise<void> {
  await exchange.require('delete', repository)
  if (!(await parts.store.unlinkBlob(repository, digest))) throw blobUnknown(digest)
  sendEmpty(exchange.response, 202, {})
}

export function blobUnknown(digest: string): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', 'blob unknown to this repository', {
    detail: { digest },
  })
}
