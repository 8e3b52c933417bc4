/** Heroku's Platform API, version 3, as far as it goes. */
import { Failure } from '../../lib/index.ts'
import { refuseForgery } from '../gitlab/auth.ts'
import { authorization, session } from '../http/credentials.ts'
import { createServer, type Server } from '../http/server.ts'
import { accountRoutes } from './account.ts'
import { appRoutes } from './apps.ts'
import type { House } from './context.ts'
import { sendError } from './errors.ts'
import { logRoutes } from './logs.ts'
import { releaseRoutes } from './releases.ts'

export async function createHerokuApi(house: House): Promise<Server> {
  const server = createServer({ random: house.random, coercesTypes: false })
  server.setErrorHandler((error, request, reply) => sendError(house.log, error, request, reply))
  server.setNotFoundHandler((_request, reply) => {
    reply.code(404).send({
      id: 'not_found',
      message: 'The requested API endpoint was not found. This Slipway may not have it yet.',
    })
  })
  addAuth(server, house)
  for (const routes of [accountRoutes, appRoutes, releaseRoutes, logRoutes]) routes(server, house)
  return server
}

function addAuth(server: Server, house: House): void {
  server.addHook('onRequest', async (request, reply) => {
    reply.header('request-id', request.id).header('ratelimit-remaining', '4500')
    const credentials = authorization(request) ?? session(request)
    request.credentials = credentials
    const actor =
      credentials === undefined ? undefined : await house.accounts.authenticate(credentials)
    request.actor = actor ?? { kind: 'anonymous' }
    if (credentials?.kind === 'session' && actor?.kind === 'user') refuseForgery(house, request)
    if (request.routeOptions.config.anonymous || request.is404) return
    if (actor === undefined || actor.kind !== 'user')
      throw new Failure('unauthorized', 'Invalid credentials provided.')
    const mayUse = actor.scopes.some(
      scope =>
        scope === 'global' || scope === 'api' || (scope === 'read_api' && request.method === 'GET'),
    )
    if (!mayUse)
      throw new Failure(
        'forbidden',
        'This token does not open apps: it needs the scope api or global.',
      )
  })
}
