import { Type } from '@fastify/type-provider-typebox'
import type { User } from '../../accounts/index.ts'
import { Failure } from '../../lib/index.ts'
import type { Server } from '../http/server.ts'
import { type House, userOf } from './context.ts'
import { notFound } from './errors.ts'
import { region, stack, time, userShape } from './shapes.ts'

const monthSeconds = 2_592_000

function accountShape(user: User) {
  return {
    ...{
      id: user.uuid,
      email: user.email,
      name: user.name,
      allow_tracking: false,
      beta: false,
      federated: false,
      verified: true,
    },
    ...{
      two_factor_authentication: false,
      default_team: null,
      default_organization: null,
      identity_provider: null,
      sms_number: null,
    },
    ...{ suspended_at: null, delinquent_at: null, country_of_residence: null, last_login: null },
    ...{ created_at: time(user.createdAt), updated_at: time(user.createdAt) },
  }
}

/** Who one is, API keys, and the lists that clients ask for on the way. */
export function accountRoutes(server: Server, { accounts, clock }: House): void {
  for (const path of ['/account', '/users/~'])
    server.get(path, async request => accountShape(userOf(request)))
  server.get('/account/rate-limits', async () => ({ remaining: 4500 }))
  server.get('/account/features', async () => [])
  server.get('/account/features/:name', async () => {
    throw notFound('feature')
  })
  server.get('/stacks', async () => [{ ...stack, default: true, state: 'public' }])
  server.get('/regions', async () => [
    { ...region, description: 'this Slipway', country: '', locale: '', private_capable: false },
  ])
  for (const path of ['/teams', '/addons', '/addon-attachments', '/pipelines'])
    server.get(path, async () => [])

  server.get('/oauth/authorizations', async request => {
    const user = userOf(request)
    return (await accounts.tokens(user.id)).map(token =>
      authorizationShape(user, token, '**********'),
    )
  })
  server.post(
    '/oauth/authorizations',
    {
      schema: {
        body: Type.Object({
          description: Type.Optional(Type.String({ maxLength: 200 })),
          expires_in: Type.Optional(Type.Union([Type.Integer({ minimum: 1 }), Type.Null()])),
          scope: Type.Optional(Type.Array(Type.String())),
        }),
      },
    },
    async (request, reply) => {
      const user = userOf(request)
      const { description = 'Long-lived user authorization', expires_in: seconds } = request.body
      const now = clock.now()
      const expiresAt = seconds ? now + seconds * 1000 : undefined
      const made = await accounts.createToken({
        userId: user.id,
        name: description,
        scopes: ['global'],
        ...(expiresAt && { expiresAt }),
      })
      return reply.code(201).send(
        authorizationShape(
          user,
          {
            id: made.tokenId,
            name: description,
            createdAt: now,
            ...(expiresAt && { expiresAt }),
          },
          made.token,
        ),
      )
    },
  )
  server.delete(
    '/oauth/authorizations/:id',
    { schema: { params: Type.Object({ id: Type.String() }) } },
    async request => {
      const user = userOf(request)
      const token = (await accounts.tokens(user.id)).find(
        one => String(one.id) === request.params.id,
      )
      if (token === undefined) throw notFound('authorization')
      await accounts.revokeToken(token.id)
      return authorizationShape(user, token, '**********')
    },
  )
  server.delete('/oauth/sessions/~', async () => {
    throw notFound('session')
  })
  server.get('/oauth/authorizations/~', async () => {
    throw new Failure('not_found', "Couldn't find that authorization.", {
      details: { resource: 'authorization' },
    })
  })
}

function authorizationShape(
  user: User,
  token: { id: number; name: string; createdAt: number; expiresAt?: number },
  text: string,
) {
  const expires =
    token.expiresAt === undefined
      ? null
      : Math.min(monthSeconds, Math.round((token.expiresAt - token.createdAt) / 1000))
  return {
    ...{
      id: String(token.id),
      description: token.name,
      scope: ['global'],
      client: null,
      grant: null,
      refresh_token: null,
      session: null,
    },
    access_token: { id: String(token.id), token: text, expires_in: expires },
    user: { ...userShape(user), full_name: user.name },
    ...{ created_at: time(token.createdAt), updated_at: time(token.createdAt) },
  }
}
