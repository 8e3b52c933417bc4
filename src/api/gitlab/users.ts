/** `/user`, `/users`. */
import { type Static, Type } from '@fastify/type-provider-typebox'
import type { User } from '../../accounts/index.ts'
import type { Server } from '../http/server.ts'
import type { Urls } from '../ports.ts'
import { type House, userOf } from './context.ts'
import { forbidden, notFound } from './errors.ts'
import { pageQuery, paginate } from './page.ts'
import { instant, iso, nullable } from './types.ts'

export const BasicUser = Type.Object({
  id: Type.Integer(),
  username: Type.String(),
  name: Type.String(),
  state: Type.String(),
  locked: Type.Boolean(),
  avatar_url: nullable(Type.String()),
  web_url: Type.String(),
})

export const FullUser = Type.Object({
  ...BasicUser.properties,
  created_at: instant,
  email: Type.String(),
  public_email: nullable(Type.String()),
  commit_email: Type.String(),
  is_admin: Type.Boolean(),
  can_create_group: Type.Boolean(),
  can_create_project: Type.Boolean(),
  two_factor_enabled: Type.Boolean(),
  external: Type.Boolean(),
  namespace_id: nullable(Type.Integer()),
})

export function basicUser(user: User, urls: Urls): Static<typeof BasicUser> {
  return {
    id: user.id,
    username: user.username,
    name: user.name,
    state: user.state,
    locked: false,
    avatar_url: null,
    web_url: `${urls.external}/${user.username}`,
  }
}

export async function fullUser(house: House, user: User): Promise<Static<typeof FullUser>> {
  const namespace = await house.accounts.namespace(user.username)
  return {
    ...basicUser(user, house.urls),
    created_at: iso(user.createdAt),
    email: user.email,
    public_email: null,
    commit_email: user.email,
    is_admin: user.admin,
    can_create_group: true,
    can_create_project: true,
    two_factor_enabled: false,
    external: false,
    namespace_id: namespace?.id ?? null,
  }
}

export function userRoutes(server: Server, house: House): void {
  const { accounts, urls } = house
  server.get(
    '/user',
    {
      config: { scopes: ['read_user'] },
      schema: { summary: 'The user who asks', tags: ['users'], response: { 200: FullUser } },
    },
    request => fullUser(house, userOf(request)),
  )
  server.get(
    '/users',
    {
      config: { scopes: ['read_user'] },
      schema: {
        summary: 'List users',
        tags: ['users'],
        querystring: Type.Object({
          ...pageQuery,
          username: Type.Optional(Type.String()),
          search: Type.Optional(Type.String()),
        }),
        response: { 200: Type.Array(Type.Union([FullUser, BasicUser])) },
      },
    },
    async (request, reply) => {
      const { username, search } = request.query
      const all = (await accounts.users()).filter(
        user =>
          (username === undefined || user.username.toLowerCase() === username.toLowerCase()) &&
          (search === undefined || matches(user, search)),
      )
      const page = paginate(request, reply, urls.external, all)
      if (!userOf(request).admin) return page.map(user => basicUser(user, urls))
      return Promise.all(page.map(user => fullUser(house, user)))
    },
  )
  server.get(
    '/users/:user_id',
    {
      config: { scopes: ['read_user'] },
      schema: {
        summary: 'One user',
        tags: ['users'],
        params: Type.Object({ user_id: Type.Integer() }),
        response: { 200: Type.Union([FullUser, BasicUser]) },
      },
    },
    async request => {
      const user = await accounts.user(request.params.user_id)
      if (user === undefined) throw notFound('User')
      const mayKnowAll = userOf(request).admin || userOf(request).id === user.id
      return mayKnowAll ? fullUser(house, user) : basicUser(user, urls)
    },
  )
  server.post(
    '/users',
    {
      schema: {
        summary: 'Make a user (administrators)',
        tags: ['users'],
        body: Type.Object({
          username: Type.String(),
          name: Type.String(),
          email: Type.String(),
          password: Type.String(),
          admin: Type.Optional(Type.Boolean()),
        }),
        response: { 201: FullUser },
      },
    },
    async (request, reply) => {
      if (!(await accounts.may(request.actor, 'instance:admin', { kind: 'instance' })))
        throw forbidden()
      const { username, name, email, password, admin } = request.body
      const user = await accounts.createUser({ username, name, email, password, admin })
      return reply.code(201).send(await fullUser(house, user))
    },
  )
}

function matches(user: User, search: string): boolean {
  const wanted = search.toLowerCase()
  return (
    user.email.toLowerCase() === wanted ||
    user.username.toLowerCase().includes(wanted) ||
    user.name.toLowerCase().includes(wanted)
  )
}
