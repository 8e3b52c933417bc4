/** Signing in: the console's session, and OAuth's password grant for command-line clients. */
import { Type } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import type { User } from '../../accounts/index.ts'
import { Failure } from '../../lib/index.ts'
import { sessionCookie } from '../http/credentials.ts'
import type { Request, Server } from '../http/server.ts'
import { refuseForgery } from './auth.ts'
import type { House } from './context.ts'
import { FullUser, fullUser } from './users.ts'

export function sessionRoutes(server: Server, house: House): void {
  server.post(
    '/session',
    {
      config: { anonymous: true },
      schema: {
        summary: 'Sign in: sets a session cookie',
        description:
          "Slipway's own. Requests with the cookie that change something need a header X-Requested-With.",
        tags: ['session'],
        body: Type.Object({ login: Type.String(), password: Type.String() }),
        response: { 201: FullUser },
      },
    },
    async (request, reply) => {
      refuseForgery(house, request)
      const user = await signIn(house, request, request.body.login, request.body.password)
      const { id, expiresAt } = await house.accounts.createSession(user.id)
      setCookie(house, reply, id, expiresAt)
      return reply.code(201).send(await fullUser(house, user))
    },
  )
  server.delete(
    '/session',
    {
      config: { anonymous: true },
      schema: { summary: 'Sign out', tags: ['session'] },
    },
    async (request, reply) => {
      refuseForgery(house, request)
      if (request.credentials?.kind === 'session')
        await house.accounts.endSession(request.credentials.id)
      setCookie(house, reply, '', 0)
      return reply.code(204).send()
    },
  )
}

/** With a password only: a token in its place would make sessions that outlive it. */
export async function signIn(
  house: House,
  request: Request,
  login: string,
  password: string,
): Promise<User> {
  const actor = await house.accounts.authenticate({
    kind: 'basic',
    username: login,
    password,
    from: request.ip,
  })
  if (actor?.kind === 'user' && actor.tokenId === undefined) return actor.user
  throw new Failure('unauthorized', '401 Unauthorized - invalid login or password')
}

function setCookie(house: House, reply: FastifyReply, id: string, expiresAt: number): void {
  const secure = house.urls.external.startsWith('https:') ? '; Secure' : ''
  const expires = new Date(expiresAt).toUTCString()
  reply.header(
    'set-cookie',
    `${sessionCookie}=${id}; Path=/; HttpOnly; SameSite=Strict; Expires=${expires}${secure}`,
  )
}
