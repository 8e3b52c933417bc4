/** Who asks, and whether the credentials reach that far: runs before anything else of any route. */
import type { Actor, Credentials, Scope } from '../../accounts/index.ts'
import { Failure } from '../../lib/index.ts'
import { authorization, header, session } from '../http/credentials.ts'
import type { Request, Server } from '../http/server.ts'
import type { House } from './context.ts'
import { unauthorized } from './errors.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Anyone may come in; the route looks at the rest. Without it a route wants a user. */
    anonymous?: boolean
    /** A job's token may come in. */
    job?: boolean
    /** Narrower scopes that are enough too (besides `api`, and `read_api` for reading). */
    scopes?: readonly Scope[]
  }
}

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

export function addAuth(server: Server, house: House): void {
  server.addHook('onRequest', async request => {
    const credentials = credentialsOf(request)
    request.credentials = credentials
    request.actor = await authenticate(house, request, credentials)
    if (credentials?.kind === 'session' && request.actor.kind === 'user')
      refuseForgery(house, request)
    refuseStranger(request)
  })
}

function credentialsOf(request: Request): Credentials | undefined {
  const personal = header(request, 'private-token')
  if (personal !== undefined) return { kind: 'token', token: personal }
  const job = header(request, 'job-token')
  if (job !== undefined) return { kind: 'token', token: job }
  // Basic isn't GitLab's way into its API: a browser would send it along on its own
  const bearer = authorization(request)
  if (bearer?.kind === 'token') return bearer
  return session(request)
}

async function authenticate(
  house: House,
  request: Request,
  credentials: Credentials | undefined,
): Promise<Actor> {
  if (credentials === undefined) return { kind: 'anonymous' }
  const actor = await house.accounts.authenticate(credentials)
  // a session that is over is as none, so that its owner can sign in again
  if (actor === undefined && credentials.kind === 'session') return { kind: 'anonymous' }
  const isJobHeader = header(request, 'job-token') !== undefined
  if (actor === undefined || (isJobHeader && actor.kind !== 'job')) throw unauthorized()
  return actor
}

/** A browser sends the cookie by itself. Only our own page can add a header, and says where it comes from. */
export function refuseForgery(house: House, request: Request): void {
  if (safeMethods.has(request.method)) return
  const origin = header(request, 'origin')
  const own = [
    house.urls.external,
    `http://${request.headers.host}`,
    `https://${request.headers.host}`,
  ]
  const site = header(request, 'sec-fetch-site')
  const isOurs =
    header(request, 'x-requested-with') !== undefined &&
    (origin === undefined || own.includes(origin)) &&
    (site === undefined || site === 'same-origin' || site === 'none')
  if (isOurs) return
  throw new Failure('forbidden', '403 Forbidden - this request could come from another site', {
    hint: 'With a session, send the header X-Requested-With; scripts use a PRIVATE-TOKEN.',
  })
}

function refuseStranger(request: Request): void {
  const { actor } = request
  const { config } = request.routeOptions
  if (request.is404 || actor.kind === 'anonymous') {
    if (request.is404 || config.anonymous) return
    throw unauthorized()
  }
  if (actor.kind === 'job') {
    if (config.job) return
    throw new Failure('unauthorized', "401 Unauthorized - a job's token doesn't open this", {
      hint: 'Use a personal access token, kept in a masked CI/CD variable.',
    })
  }
  const wanted: Scope[] = ['api', ...(config.scopes ?? [])]
  if (safeMethods.has(request.method)) wanted.push('read_api')
  if (actor.scopes.some(scope => wanted.includes(scope))) return
  throw new Failure('forbidden', 'insufficient_scope', {
    details: { scope: wanted.join(' ') },
  })
}
