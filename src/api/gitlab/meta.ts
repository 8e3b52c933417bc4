/** `/version`, `/metadata`, health. */
import { Type } from '@fastify/type-provider-typebox'
import type { Server } from '../http/server.ts'
import type { House } from './context.ts'
import { notFound } from './errors.ts'

const Version = Type.Object({ version: Type.String(), revision: Type.String() })

export function metaRoutes(server: Server, house: House): void {
  const { version, revision } = house
  server.get(
    '/version',
    {
      config: { scopes: ['read_user'] },
      schema: { summary: 'Version', tags: ['metadata'], response: { 200: Version } },
    },
    async () => ({ version, revision }),
  )
  server.get(
    '/metadata',
    {
      config: { scopes: ['read_user'] },
      schema: {
        summary: 'Version and edition',
        tags: ['metadata'],
        response: {
          200: Type.Object({
            ...Version.properties,
            kas: Type.Object({ enabled: Type.Boolean() }),
            enterprise: Type.Boolean(),
          }),
        },
      },
    },
    async () => ({ version, revision, kas: { enabled: false }, enterprise: false }),
  )
  server.get(
    '/admin/health',
    {
      schema: {
        summary: 'How the house is (administrators)',
        description: "Slipway's own.",
        tags: ['metadata'],
        response: {
          200: Type.Object({
            ok: Type.Boolean(),
            checks: Type.Record(Type.String(), Type.Object({}, { additionalProperties: true })),
          }),
        },
      },
    },
    async request => {
      if (!(await house.accounts.may(request.actor, 'instance:admin', { kind: 'instance' })))
        throw notFound('Page')
      return house.health()
    },
  )
}

/** Outside `/api/v4`: for load balancers and uptime checks; says nothing but yes or no. */
export function probeRoutes(server: Server, house: House): void {
  server.get(
    '/-/health',
    { config: { anonymous: true }, schema: { hide: true } },
    async () => 'ok\n',
  )
  server.get('/-/liveness', { config: { anonymous: true }, schema: { hide: true } }, async () => ({
    status: 'ok',
  }))
  server.get(
    '/-/readiness',
    { config: { anonymous: true }, schema: { hide: true } },
    async (_request, reply) => {
      const { ok } = await house.health()
      return reply.code(ok ? 200 : 503).send({ status: ok ? 'ok' : 'failed' })
    },
  )
}
