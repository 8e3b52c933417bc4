import { isDigest } from '../blobs/index.ts'
import { RegistryError } from './errors.ts'
import { type Exchange, jobIdOf, type Parts, userIdOf } from './exchange.ts'
import { readBody, sendEmpty } from './http.ts'
import {
  linuxAmd64,
  manifestDigest,
  manifestLimitBytes,
  type ParsedManifest,
  parseManifest,
} from './manifest.ts'
import { isIndexType } from './media-types.ts'
import type { Mirror } from './mirror.ts'
import type { StoredManifest } from './ports.ts'
import { shownName } from './views.ts'

type ManifestParts = Parts & { mirror: Mirror }

/** GET, HEAD, PUT and DELETE of `/v2/{name}/manifests/{reference}`. */
export async function serveManifest(
  parts: ManifestParts,
  exchange: Exchange,
  repository: string,
  reference: string,
): Promise<void> {
  switch (exchange.method) {
    case 'GET':
    case 'HEAD':
      return await getManifest(parts, exchange, repository, reference)
    case 'PUT':
      return await putManifest(parts, exchange, repository, reference)
    case 'DELETE':
      return await deleteManifest(parts, exchange, repository, reference)
    default:
      throw new RegistryError('UNSUPPORTED', `${exchange.method} is not for manifests`, {
        headers: { allow: 'GET, HEAD, PUT, DELETE' },
      })
  }
}

async function getManifest(
  parts: ManifestParts,
  exchange: Exchange,
  repository: string,
  reference: string,
): Promise<void> {
  await exchange.require('pull', repository)
  const found = await findManifest(parts, repository, reference)
  if (found === undefined) throw await manifestUnknown(parts, repository, reference)
  const manifest = isDigest(reference)
    ? found.manifest
    : await forClient(parts, found.manifest, exchange.request.headers.accept)
  const { request, response, method } = exchange
  const headers = {
    'content-type': manifest.mediaType,
    'content-length': String(manifest.sizeBytes),
    'docker-content-digest': manifest.digest,
    etag: `"${manifest.digest}"`,
    ...(found.isStale && { warning: '110 - "Response is Stale"' }),
  }
  if (request.headers['if-none-match'] === headers.etag)
    return sendEmpty(response, 304, { etag: headers.etag })
  response.writeHead(200, headers)
  response.end(method === 'HEAD' ? undefined : manifest.raw)
}

/** Here first; then, for the mirror's repositories, from the upstream. */
export async function findManifest(
  parts: ManifestParts,
  repository: string,
  reference: string,
): Promise<{ manifest: StoredManifest; isStale: boolean } | undefined> {
  if (parts.mirror.has(repository)) return await parts.mirror.manifest(repository, reference)
  const digest = isDigest(reference)
    ? reference
    : (await parts.store.tag(repository, reference))?.digest
  const manifest = digest === undefined ? undefined : await parts.store.manifest(repository, digest)
  return manifest && { manifest, isStale: false }
}

/** Clients that don't know indexes get the manifest for linux/amd64. */
async function forClient(
  parts: ManifestParts,
  manifest: StoredManifest,
  accept: string | undefined,
): Promise<StoredManifest> {
  if (!isIndexType(manifest.mediaType) || accept === undefined) return manifest
  const types = accept.split(',').map(one => one.split(';')[0]!.trim())
  if (types.some(type => isIndexType(type) || type === '*/*' || type === 'application/*'))
    return manifest
  const digest = linuxAmd64(manifest.raw)
  if (digest === undefined) return manifest
  return (await findManifest(parts, manifest.repository, digest))?.manifest ?? manifest
}

async function putManifest(
  parts: ManifestParts,
  exchange: Exchange,
  repository: string,
  reference: string,
): Promise<void> {
  await exchange.require('push', repository)
  const raw = await readBody(exchange.request, manifestLimitBytes)
  const parsed = parseManifest(raw, exchange.request.headers['content-type'])
  const digest = manifestDigest(raw, reference)
  if (isDigest(reference) && reference !== digest)
    throw new RegistryError('DIGEST_INVALID', `the manifest's digest is ${digest}`, {
      detail: { digest: reference },
    })
  const tag = isDigest(reference) ? undefined : reference
  await savePushed(parts, exchange, { repository, digest, raw, parsed, tag })
  announce(parts, exchange, { repository, digest, parsed, tag })
  sendEmpty(exchange.response, 201, {
    location: `/v2/${shownName(exchange.view, repository)}/manifests/${digest}`,
    'docker-content-digest': digest,
    ...(parsed.subject !== undefined && { 'oci-subject': parsed.subject }),
  })
}

/** Shows the manifest, with its tag, at once, if everything it needs is in the repository. */
async function savePushed(
  parts: Parts,
  exchange: Exchange,
  push: {
    repository: string
    digest: string
    raw: Uint8Array
    parsed: ParsedManifest
    tag?: string
  },
): Promise<void> {
  const { repository, digest, raw, parsed, tag } = push
  const pushedAt = parts.clock.now()
  const by = { pushedAt, pushedBy: userIdOf(exchange), pushedByJob: jobIdOf(exchange) }
  const missing = await parts.store.saveManifest(
    { repository, digest, raw, sizeBytes: raw.length, ...parsed, ...by },
    {
      tag: tag === undefined ? undefined : { repository, name: tag, digest, updatedAt: pushedAt },
      isComplete: true,
    },
  )
  if (missing.length > 0)
    throw new RegistryError(
      'MANIFEST_BLOB_UNKNOWN',
      `the manifest needs what is not in this repository: push ${missing[0]} first`,
      { detail: { digests: missing.slice(0, 20) } },
    )
}

function announce(
  parts: Parts,
  exchange: Exchange,
  push: { repository: string; digest: string; parsed: ParsedManifest; tag?: string },
): void {
  const { repository, digest, parsed, tag } = push
  const userId = userIdOf(exchange)
  const configDigest = parsed.references.find(one => one.kind === 'config')?.digest
  parts.log.info({ repository, tag, digest, userId }, 'manifest pushed')
  const jobId = jobIdOf(exchange)
  parts.onEvent({ type: 'pushed', repository, tag, digest, configDigest, userId, jobId })
}

async function deleteManifest(
  parts: ManifestParts,
  exchange: Exchange,
  repository: string,
  reference: string,
): Promise<void> {
  await exchange.require('delete', repository)
  const user = isDigest(reference) ? await parts.usedBy?.(reference) : undefined
  if (user !== undefined)
    throw new RegistryError('DENIED', `the image is in use: ${user}`, { status: 409 })
  const isGone = isDigest(reference)
    ? await parts.store.deleteManifest(repository, reference)
    : await parts.store.deleteTag(repository, reference)
  if (!isGone) throw await manifestUnknown(parts, repository, reference)
  parts.log.info({ repository, reference, userId: userIdOf(exchange) }, 'manifest deleted')
  sendEmpty(exchange.response, 202, {})
}

async function manifestUnknown(
  parts: ManifestParts,
  repository: string,
  reference: string,
): Promise<RegistryError> {
  const isKnown = await parts.store.hasRepository(repository)
  const detail = { reference }
  if (isKnown) return new RegistryError('MANIFEST_UNKNOWN', 'manifest unknown', { detail })
  return new RegistryError('NAME_UNKNOWN', 'the repository has no images yet', { detail })
}
