/** `/personal_access_tokens`: one's own; administrators see and revoke everyone's. */
import { type Static, Type } from '@fastify/type-provider-typebox'
import type { Accounts, Scope, User } from '../../accounts/index.ts'
import { Failure } from '../../lib/index.ts'
import type { Request, Server } from '../http/server.ts'
import { type House, userOf } from './context.ts'
import { forbidden, notFound } from './errors.ts'
import { pageQuery, paginate } from './page.ts'
import { instant, iso, isoOrNull, nullable } from './types.ts'

const scopes = [
  'api',
  'read_api',
  'read_user',
  'read_repository',
  'write_repository',
  'read_registry',
  'write_registry',
  'global',
] as const satisfies readonly Scope[]

const TokenBody = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  revoked: Type.Boolean(),
  created_at: instant,
  description: nullable(Type.String()),
  scopes: Type.Array(Type.String()),
  user_id: Type.Integer(),
  last_used_at: nullable(instant),
  active: Type.Boolean(),
  expires_at: nullable(Type.String({ description: 'A date, `2027-01-31`.' })),
})
const NewTokenBody = Type.Object({ ...TokenBody.properties, token: Type.String() })

type Token = Awaited<ReturnType<Accounts['tokens']>>[number]

function tokenBody(house: House, userId: number, token: Token): Static<typeof TokenBody> {
  return {
    id: token.id,
    name: token.name,
    revoked: false,
    created_at: iso(token.createdAt),
    description: null,
    scopes: token.scopes,
    user_id: userId,
    last_used_at: isoOrNull(token.lastUsedAt),
    active: token.expiresAt === undefined || token.expiresAt > house.clock.now(),
    expires_at: token.expiresAt === undefined ? null : iso(token.expiresAt).slice(0, 10),
  }
}

/** Own tokens, and everyone's for administrators. */
async function visibleTokens(house: House, request: Request) {
  const me = userOf(request)
  const isAdmin = await house.accounts.may(request.actor, 'instance:admin', { kind: 'instance' })
  const users: User[] = isAdmin ? await house.accounts.users() : [me]
  const lists = await Promise.all(
    users.map(async ({ id: userId }) =>
      (await house.accounts.tokens(userId)).map(token => ({ userId, token })),
    ),
  )
  return lists.flat()
}

export function tokenRoutes(server: Server, house: House): void {
  addReads(server, house)
  addWrites(server, house)
}

const tokenParam = Type.Object({ token_id: Type.Integer() })

function addReads(server: Server, house: House): void {
  server.get(
    '/personal_access_tokens',
    {
      schema: {
        summary: 'List tokens',
        tags: ['tokens'],
        querystring: Type.Object({ ...pageQuery, user_id: Type.Optional(Type.Integer()) }),
        response: { 200: Type.Array(TokenBody) },
      },
    },
    async (request, reply) => {
      const { user_id: userId } = request.query
      const all = (await visibleTokens(house, request)).filter(
        one => userId === undefined || one.userId === userId,
      )
      const page = paginate(request, reply, house.urls.external, all)
      return page.map(one => tokenBody(house, one.userId, one.token))
    },
  )
  server.get(
    '/personal_access_tokens/self',
    {
      config: {
        scopes: [
          'read_user',
          'read_repository',
          'write_repository',
          'read_registry',
          'write_registry',
          'global',
        ],
      },
      schema: {
        summary: 'The token that asks',
        tags: ['tokens'],
        response: { 200: TokenBody },
      },
    },
    async request => {
      const { actor } = request
      const { id: userId } = userOf(request)
      const own = await house.accounts.tokens(userId)
      const token = own.find(one => actor.kind === 'user' && one.id === actor.tokenId)
      if (token === undefined) throw notFound('Token')
      return tokenBody(house, userId, token)
    },
  )
}

function addWrites(server: Server, house: House): void {
  const create = async (request: Request, user: User) => {
    const body = request.body as Static<typeof NewToken>
    const expiresAt = parseExpiry(house, body.expires_at)
    const { accounts } = house
    const made = await accounts.createToken({
      userId: user.id,
      name: body.name,
      scopes: [...new Set(body.scopes)],
      expiresAt,
    })
    const token = (await accounts.tokens(user.id)).find(one => one.id === made.tokenId)
    if (token === undefined) throw notFound('Token')
    return { ...tokenBody(house, user.id, token), token: made.token }
  }
  const NewToken = Type.Object({
    name: Type.String(),
    scopes: Type.Array(Type.Union(scopes.map(scope => Type.Literal(scope)))),
    expires_at: Type.Optional(nullable(Type.String({ format: 'date' }))),
  })
  server.post(
    '/user/personal_access_tokens',
    {
      schema: {
        summary: 'Make a token for oneself; it is told once',
        tags: ['tokens'],
        body: NewToken,
        response: { 201: NewTokenBody },
      },
    },
    async (request, reply) => reply.code(201).send(await create(request, userOf(request))),
  )
  server.post(
    '/users/:user_id/personal_access_tokens',
    {
      schema: {
        summary: 'Make a token for a user (administrators)',
        tags: ['tokens'],
        params: Type.Object({ user_id: Type.Integer() }),
        body: NewToken,
        response: { 201: NewTokenBody },
      },
    },
    async (request, reply) => {
      if (!(await house.accounts.may(request.actor, 'instance:admin', { kind: 'instance' })))
        throw forbidden()
      const user = await house.accounts.user(request.params.user_id)
      if (user === undefined) throw notFound('User')
      return reply.code(201).send(await create(request, user))
    },
  )
  server.delete(
    '/personal_access_tokens/:token_id',
    { schema: { summary: 'Revoke a token', tags: ['tokens'], params: tokenParam } },
    async (request, reply) => {
      const seen = await visibleTokens(house, request)
      const found = seen.find(one => one.token.id === request.params.token_id)
      if (found === undefined) throw notFound('Token')
      await house.accounts.revokeToken(found.token.id)
      return reply.code(204).send()
    },
  )
}

function parseExpiry(house: House, date: string | null | undefined): number | undefined {
  if (date === undefined || date === null) return undefined
  const at = Date.parse(`${date}T00:00:00Z`)
  if (at > house.clock.now()) return at
  throw new Failure('invalid', 'The expiry is in the past.', {
    details: { expires_at: ['must be in the future'] },
  })
}
