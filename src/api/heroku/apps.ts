import { Type } from '@fastify/type-provider-typebox'
import type { Server } from '../http/server.ts'
import { appFor, byOf, type House, userOf } from './context.ts'
import { notFound } from './errors.ts'
import { paged } from './range.ts'
import { appShape, region, time, userShape } from './shapes.ts'

export const appParams = Type.Object({ app: Type.String() })

/** Apps, collaborators, and what else `apps:info` asks for. */
export function appRoutes(server: Server, house: House): void {
  const { apps, accounts } = house
  server.post(
    '/apps',
    {
      schema: {
        body: Type.Union([
          Type.Null(),
          Type.Object({ name: Type.Optional(Type.String()) }, { additionalProperties: true }),
        ]),
      },
    },
    async (request, reply) => {
      const name = request.body?.name
      const app = await apps.create({ owner: userOf(request), ...(name !== undefined && { name }) })
      return reply.code(201).send(await appShape(house, app))
    },
  )
  for (const path of ['/apps', '/users/~/apps']) {
    server.get(path, async (request, reply) => {
      userOf(request)
      const mine = []
      for (const app of await apps.list()) {
        const collaboratorIds = await apps.collaborators(app.id)
        if (
          await accounts.may(request.actor, 'app:read', {
            kind: 'app',
            ownerId: app.ownerId,
            collaboratorIds,
          })
        )
          mine.push(app)
      }
      const page = paged(request, reply, mine, {
        name: app => app.name,
        id: app => app.id,
        updated_at: app => app.updatedAt,
      })
      return Promise.all(page.map(app => appShape(house, app)))
    })
  }
  server.get('/apps/:app', { schema: { params: appParams } }, async request =>
    appShape(house, await appFor(house, request, request.params.app)),
  )
  server.patch(
    '/apps/:app',
    {
      schema: {
        params: appParams,
        body: Type.Object(
          { name: Type.Optional(Type.String()), maintenance: Type.Optional(Type.Boolean()) },
          { additionalProperties: true },
        ),
      },
    },
    async request => {
      const app = await appFor(house, request, request.params.app, 'app:admin')
      const { name, maintenance } = request.body
      const change = {
        ...(name !== undefined && { name }),
        ...(maintenance !== undefined && { maintenance }),
      }
      return appShape(house, await apps.update(app.id, change, await byOf(request)))
    },
  )
  server.delete('/apps/:app', { schema: { params: appParams } }, async request => {
    const app = await appFor(house, request, request.params.app, 'app:admin')
    const shape = await appShape(house, app)
    await apps.destroy(app.id)
    return shape
  })
  collaboratorRoutes(server, house)
  emptyRoutes(server, house)
}

function collaboratorRoutes(server: Server, house: House): void {
  const { apps, accounts } = house
  const shape = async (
    app: { id: string; name: string; createdAt: number; ownerId: number },
    userId: number,
  ) => {
    const user = await accounts.user(userId)
    return {
      ...{
        id: user?.uuid ?? '',
        app: { id: app.id, name: app.name },
        user: { ...userShape(user), federated: false },
      },
      ...{ role: userId === app.ownerId ? 'owner' : 'collaborator', permissions: [] },
      ...{ created_at: time(app.createdAt), updated_at: time(app.createdAt) },
    }
  }
  server.get('/apps/:app/collaborators', { schema: { params: appParams } }, async request => {
    const app = await appFor(house, request, request.params.app)
    const ids = [app.ownerId, ...(await apps.collaborators(app.id))]
    return Promise.all(ids.map(id => shape(app, id)))
  })
  server.post(
    '/apps/:app/collaborators',
    {
      schema: {
        params: appParams,
        body: Type.Object({ user: Type.String() }, { additionalProperties: true }),
      },
    },
    async (request, reply) => {
      const app = await appFor(house, request, request.params.app, 'app:admin')
      const user =
        (await accounts.userByEmail(request.body.user)) ?? (await accounts.user(request.body.user))
      if (user === undefined) throw notFound('user')
      await apps.setCollaborator(app.id, user.id, true)
      return reply.code(201).send(await shape(app, user.id))
    },
  )
  server.delete(
    '/apps/:app/collaborators/:email',
    {
      schema: { params: Type.Object({ app: Type.String(), email: Type.String() }) },
    },
    async request => {
      const app = await appFor(house, request, request.params.app, 'app:admin')
      const user =
        (await accounts.userByEmail(request.params.email)) ??
        (await accounts.userByUuid(request.params.email))
      if (user === undefined) throw notFound('user')
      await apps.setCollaborator(app.id, user.id, false)
      return shape(app, user.id)
    },
  )
}

/** What an app doesn't have here: the lists are truly empty, and the pipeline isn't there. */
function emptyRoutes(server: Server, house: House): void {
  for (const list of ['addons', 'addon-attachments', 'log-drains', 'sni-endpoints', 'features']) {
    server.get(`/apps/:app/${list}`, { schema: { params: appParams } }, async request => {
      await appFor(house, request, request.params.app)
      return []
    })
  }
  server.get('/apps/:app/pipeline-couplings', { schema: { params: appParams } }, async request => {
    await appFor(house, request, request.params.app)
    throw notFound('pipeline_coupling')
  })
  server.get('/apps/:app/domains', { schema: { params: appParams } }, async request => {
    const app = await appFor(house, request, request.params.app)
    const { hostname } = new URL(house.urls.app(app.name))
    return [
      {
        ...{
          id: app.id,
          hostname,
          kind: 'heroku',
          cname: null,
          status: 'none',
          acm_status: null,
          acm_status_reason: null,
        },
        ...{ sni_endpoint: null, app: { id: app.id, name: app.name }, region },
        ...{ created_at: time(app.createdAt), updated_at: time(app.createdAt) },
      },
    ]
  })
}
