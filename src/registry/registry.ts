import type { IncomingMessage, ServerResponse } from 'node:http'
import { isDigest } from '../blobs/index.ts'
import { Failure, KeyedMutex, messageOf, uuid } from '../lib/index.ts'
import { authorize, challengeHeader, isAllowed, type Principal } from './access.ts'
import { engineUsername, principalOf } from './authenticate.ts'
import { serveBlob } from './blobs.ts'
import { isUnexpected, RegistryError, toRegistryError } from './errors.ts'
import type { Exchange, Parts } from './exchange.ts'
import { collectGarbage, scrub } from './garbage.ts'
import { sendEarly, sendJson } from './http.ts'
import { serveCatalog, serveReferrers, serveTags } from './lists.ts'
import { linuxAmd64, toManifest } from './manifest.ts'
import { findManifest, serveManifest } from './manifests.ts'
import { isIndexType } from './media-types.ts'
import { createMirror, type Mirror } from './mirror.ts'
import type { Manifest, Registry } from './model.ts'
import type { RegistryOptions } from './ports.ts'
import { parseRoute, type Route } from './routes.ts'
import { serveToken } from './token-endpoint.ts'
import { createTokens } from './tokens.ts'
import { type BusyUploads, serveUpload, startUpload } from './uploads.ts'
import { storedName, type View, viewOf } from './views.ts'

type AllParts = Parts & { mirror: Mirror; busy: BusyUploads }

const maxListed = 10_000

export function createRegistry(options: RegistryOptions): Registry {
  if (options.signingKey.length < 32)
    throw new Failure('invalid', 'the registry’s signing key has fewer than 32 bytes')
  const parts: AllParts = {
    ...options,
    tokens: createTokens(options),
    mirror: createMirror(options),
    busy: new Set(),
    turns: new KeyedMutex(),
  }
  const { store } = options
  return {
    handle: (request, response) => handle(parts, request, response),
    resolve: (repository, reference) => resolve(parts, repository, reference),
    repositories: prefix => store.repositories({ prefix, limit: maxListed }),
    tags: repository => store.tags(repository, { limit: maxListed }),
    async deleteTag(repository, tag) {
      if (await store.deleteTag(repository, tag)) return
      throw new Failure('not_found', `${repository} has no tag ${tag}`)
    },
    async pullCredential(repository) {
      const password = await parts.tokens.issueForEngine(repository)
      return { username: engineUsername, password }
    },
    collectGarbage: garbage => collectGarbage(parts, garbage),
    scrub: signal => scrub(parts, signal),
  }
}

async function handle(
  parts: AllParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const isToken = url.pathname === '/jwt/auth'
  if (!isToken && url.pathname !== '/v2' && !url.pathname.startsWith('/v2/')) return false
  const view = viewOf(request, parts.hosts)
  response.setHeader('docker-distribution-api-version', 'registry/2.0')
  response.setHeader('x-content-type-options', 'nosniff')
  try {
    if (isToken) await serveToken(parts, request, response, view)
    else await serve(parts, request, response, url, view)
  } catch (error) {
    await answerError(parts, request, response, error)
  }
  return true
}

async function serve(
  parts: AllParts,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  view: View,
): Promise<void> {
  const method = request.method ?? 'GET'
  const principal = await principalOf(parts, request, view)
  // The raw path: percent-encoded slashes and dots must not turn into a name.
  const route = parseRoute((request.url ?? '/').split('?')[0]!, method)
  const exchange: Exchange = {
    request,
    response,
    method,
    query: url.searchParams,
    view,
    principal,
    require: (right, repository) => authorize(parts, principal, right, repository, view),
    may: (right, repository) => isAllowed(parts, principal, right, repository),
  }
  await dispatch(parts, exchange, route)
}

async function dispatch(parts: AllParts, exchange: Exchange, route: Route): Promise<void> {
  if (route.to === 'base') return serveBase(exchange)
  if (route.to === 'catalog') return await serveCatalog(parts, exchange)
  const repository = storedName(exchange.view, route.name)
  switch (route.to) {
    case 'tags':
      return await serveTags(parts, exchange, repository)
    case 'manifest':
      return await serveManifest(parts, exchange, repository, route.reference)
    case 'blob':
      return await serveBlob(parts, exchange, repository, route.digest)
    case 'uploads':
      return await startUpload(parts, exchange, repository)
    case 'upload':
      return await serveUpload(parts, exchange, repository, route.id)
    case 'referrers':
      return await serveReferrers(parts, exchange, repository, route.digest)
  }
}

/** `GET /v2/` is how clients log in: 401 until they show who they are. */
function serveBase({ principal, view, response }: Exchange): void {
  if (isNobody(principal) && !view.isOpen)
    throw new RegistryError('UNAUTHORIZED', 'authentication required', {
      headers: challengeHeader(view),
    })
  sendJson(response, 200, {})
}

/** An anonymous token counts: it is what pulls without a login are made of. */
function isNobody(principal: Principal): boolean {
  return principal.kind === 'actor' && principal.actor.kind === 'anonymous'
}

async function answerError(
  parts: AllParts,
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
): Promise<void> {
  const reference = uuid(parts.random)
  const { method, url } = request
  if (request.destroyed && !request.complete)
    return parts.log.debug({ method, url, reason: messageOf(error) }, 'client went away')
  if (isUnexpected(error))
    parts.log.error({ method, url, reference, err: error }, 'registry request failed')
  if (response.headersSent) return void response.destroy()
  const { status, code, message, detail, headers } = toRegistryError(error, reference)
  if (status >= 500) {
    parts.log.warn({ method, url, status, reference }, message)
    // Docker shows nothing of a 5xx answer but its status line.
    response.statusMessage = message.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)
  }
  const body = { errors: [{ code, message, detail }] }
  await sendEarly(request, response, parts.clock, { status, body, headers })
}

async function resolve(
  parts: AllParts,
  repository: string,
  reference: string,
): Promise<Manifest | undefined> {
  const found = (await findManifest(parts, repository, reference))?.manifest
  const manifest =
    found ??
    (isDigest(reference) ? await parts.store.manifestByConfig(repository, reference) : undefined)
  if (manifest === undefined || !isIndexType(manifest.mediaType))
    return manifest && toManifest(manifest)
  const digest = linuxAmd64(manifest.raw)
  return digest === undefined ? undefined : await resolve(parts, repository, digest)
}
