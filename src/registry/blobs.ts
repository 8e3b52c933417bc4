import { RegistryError } from './errors.ts'
import type { Exchange, Parts } from './exchange.ts'
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
  const fetched = await parts.mirror.blob(repository, digest)
  if (fetched === undefined) throw blobUnknown(digest)
  const { response } = exchange
  response.writeHead(200, blobHeaders(digest, fetched.sizeBytes))
  if (method === 'HEAD') return void response.end()
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
  if (linked !== undefined) return linked
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

export async function link(
  parts: Pick<Parts, 'blobs' | 'store' | 'clock'>,
  repository: string,
  digest: string,
): Promise<{ sizeBytes: number } | undefined> {
  const blob = await parts.blobs.stat(digest)
  if (blob === undefined) return undefined
  const { sizeBytes } = blob
  await parts.store.linkBlob({ repository, digest, sizeBytes, linkedAt: parts.clock.now() })
  return { sizeBytes }
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
  if (range === undefined) response.writeHead(200, headers)
  else
    response.writeHead(206, {
      ...headers,
      'content-length': range.end - range.start,
      'content-range': `bytes ${range.start}-${range.end - 1}/${sizeBytes}`,
    })
  await sendStream(response, bytes)
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
