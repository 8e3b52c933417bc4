import { RegistryError } from './errors.ts'
import type { Exchange, Parts } from './exchange.ts'
import { sendJson } from './http.ts'
import { mediaTypes } from './media-types.ts'
import { shownName } from './views.ts'

const defaultPage = 100
const maxPage = 1000

/** GET of `/v2/{name}/tags/list`. */
export async function serveTags(
  parts: Parts,
  exchange: Exchange,
  repository: string,
): Promise<void> {
  checkGet(exchange)
  await exchange.require('pull', repository)
  if (!(await parts.store.hasRepository(repository)))
    throw new RegistryError('NAME_UNKNOWN', 'the repository has no images yet')
  const limit = pageSize(exchange)
  const after = exchange.query.get('last') ?? undefined
  const found = await parts.store.tags(repository, { after, limit: limit + 1 })
  const tags = found.slice(0, limit).map(tag => tag.name)
  const name = shownName(exchange.view, repository)
  const path = `/v2/${name}/tags/list`
  sendJson(
    exchange.response,
    200,
    { name, tags },
    nextLink(path, tags, found.length > limit, limit),
  )
}

/** GET of `/v2/_catalog`, for administrators. */
export async function serveCatalog(parts: Parts, exchange: Exchange): Promise<void> {
  checkGet(exchange)
  const { principal, view } = exchange
  const isAdmin =
    principal.kind === 'actor' &&
    (await parts.accounts.may(principal.actor, 'instance:admin', { kind: 'instance' }))
  if (!isAdmin)
    throw new RegistryError('DENIED', 'the catalog is for administrators, with Basic credentials')
  const limit = pageSize(exchange)
  const last = exchange.query.get('last')
  const after = last === null ? undefined : view.prefix + last
  const found = await parts.store.repositories({ prefix: view.prefix, after, limit: limit + 1 })
  const repositories = found.slice(0, limit).map(one => shownName(view, one.name))
  const next = nextLink('/v2/_catalog', repositories, found.length > limit, limit)
  sendJson(exchange.response, 200, { repositories }, next)
}

/** GET of `/v2/{name}/referrers/{digest}` (OCI 1.1): an index, empty when nothing refers to the digest. */
export async function serveReferrers(
  parts: Parts,
  exchange: Exchange,
  repository: string,
  digest: string,
): Promise<void> {
  checkGet(exchange)
  await exchange.require('pull', repository)
  const type = exchange.query.get('artifactType')
  const all = await parts.store.referrers(repository, digest)
  const manifests = all
    .filter(one => type === null || one.artifactType === type)
    .map(({ mediaType, digest, sizeBytes, artifactType, annotations }) => ({
      mediaType,
      digest,
      size: sizeBytes,
      artifactType,
      annotations,
    }))
  sendJson(
    exchange.response,
    200,
    { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests },
    {
      'content-type': mediaTypes.ociIndex,
      ...(type !== null && { 'oci-filters-applied': 'artifactType' }),
    },
  )
}

function checkGet({ method }: Exchange): void {
  if (method !== 'GET' && method !== 'HEAD')
    throw new RegistryError('UNSUPPORTED', `${method} is not for lists`, {
      headers: { allow: 'GET' },
    })
}

function pageSize({ query }: Exchange): number {
  const text = query.get('n')
  if (text === null) return defaultPage
  if (!/^\d{1,15}$/.test(text))
    throw new RegistryError('PAGINATION_NUMBER_INVALID', 'n must be a number from 0', {
      detail: { n: text.slice(0, 40) },
    })
  return Math.min(Number(text), maxPage)
}

/** RFC 8288, as the specification asks for it. */
function nextLink(
  path: string,
  items: readonly string[],
  hasMore: boolean,
  limit: number,
): Record<string, string> {
  const last = items.at(-1)
  if (!hasMore || last === undefined) return {}
  return { link: `<${path}?n=${limit}&last=${encodeURIComponent(last)}>; rel="next"` }
}
