import { Type } from '@fastify/type-provider-typebox'
import { Failure } from '../../lib/index.ts'
import type { Server } from '../http/server.ts'
import { appParams } from './apps.ts'
import { appFor, byOf, type House } from './context.ts'
import { notFound } from './errors.ts'
import { paged } from './range.ts'
import { dynoShape, formationShape, releaseShape } from './shapes.ts'

const maxWaitMs = 10 * 60_000

const Update = Type.Object(
  {
    type: Type.String(),
    quantity: Type.Optional(Type.Union([Type.String(), Type.Integer()])),
    size: Type.Optional(Type.String()),
    docker_image: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  },
  { additionalProperties: true },
)

/** Config vars, formation, releases, dynos: what makes a new version of what runs. */
export function releaseRoutes(server: Server, house: House): void {
  configRoutes(server, house)
  formationRoutes(server, house)
  historyRoutes(server, house)
  dynoRoutes(server, house)
}

function configRoutes(server: Server, house: House): void {
  const { apps } = house
  server.get('/apps/:app/config-vars', { schema: { params: appParams } }, async request => {
    const app = await appFor(house, request, request.params.app, 'app:deploy')
    return apps.config(app.id)
  })
  server.patch(
    '/apps/:app/config-vars',
    {
      schema: {
        params: appParams,
        body: Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()])),
      },
    },
    async request => {
      const app = await appFor(house, request, request.params.app, 'app:deploy')
      return apps.setConfig(app.id, request.body, await byOf(request))
    },
  )
}

function formationRoutes(server: Server, house: House): void {
  const { apps } = house
  const shapes = async (appId: string) => {
    const app = (await apps.find(appId))!
    const images = (await apps.releases(appId)).findLast(
      release => release.status !== 'failed',
    )?.images
    return (await apps.formation(appId)).map(row => formationShape(app, row, images))
  }
  /** The release's end is the answer, as the CLI asks for it right behind: a release that doesn't boot fails the pipeline's job. */
  const update = async (
    appId: string,
    updates: { type: string }[],
    request: Parameters<typeof byOf>[0],
  ) => {
    const before = (await apps.releases(appId)).at(-1)
    const image = updates
      .map(one => ('image' in one ? String(one.image) : ''))
      .find(one => one.startsWith('sha256:'))
    const origin = image === undefined ? undefined : await house.origins.originOf(image)
    await apps.updateFormation(appId, updates, await byOf(request, origin))
    const newest = (await apps.releases(appId)).at(-1)
    if (newest === undefined || newest.id === before?.id || newest.status !== 'pending') return
    const ended = await apps.released(newest.id, AbortSignal.timeout(maxWaitMs))
    if (ended.status === 'failed')
      throw new Failure(
        'invalid',
        `Release v${ended.version} failed: ${ended.failure ?? 'see the app’s log'}`,
      )
  }
  server.get('/apps/:app/formation', { schema: { params: appParams } }, async request => {
    const app = await appFor(house, request, request.params.app)
    return shapes(app.id)
  })
  server.get(
    '/apps/:app/formation/:type',
    { schema: { params: Type.Object({ app: Type.String(), type: Type.String() }) } },
    async request => {
      const app = await appFor(house, request, request.params.app)
      const found = (await shapes(app.id)).find(row => row.type === request.params.type)
      if (found === undefined) throw notFound('formation')
      return found
    },
  )
  server.patch(
    '/apps/:app/formation',
    {
      schema: {
        params: appParams,
        body: Type.Object({ updates: Type.Array(Update, { minItems: 1, maxItems: 50 }) }),
      },
    },
    async request => {
      const app = await appFor(house, request, request.params.app, 'app:deploy')
      const updates = request.body.updates.map(toUpdate)
      await update(app.id, updates, request)
      const types = updates.map(one => one.type)
      return (await shapes(app.id)).filter(row => types.includes(row.type))
    },
  )
  server.patch(
    '/apps/:app/formation/:type',
    {
      schema: {
        params: Type.Object({ app: Type.String(), type: Type.String() }),
        body: Type.Omit(Update, ['type']),
      },
    },
    async request => {
      const app = await appFor(house, request, request.params.app, 'app:deploy')
      const { type } = request.params
      await update(app.id, [toUpdate({ ...request.body, type })], request)
      return (await shapes(app.id)).find(row => row.type === type) ?? {}
    },
  )
}

function toUpdate(one: {
  type: string
  quantity?: string | number
  size?: string
  docker_image?: string | null
}) {
  const { docker_image: image, type, quantity, size } = one
  return {
    type,
    ...(quantity !== undefined && { quantity }),
    ...(size !== undefined && { size }),
    ...(image !== undefined && { image }),
  }
}

function historyRoutes(server: Server, house: House): void {
  const { apps } = house
  const params = Type.Object({ app: Type.String(), release: Type.String() })
  const found = async (appId: string, text: string) => {
    const release = await apps.release(appId, /^\d+$/.test(text) ? Number(text) : text)
    if (release === undefined) throw notFound('release')
    return release
  }
  server.get('/apps/:app/releases', { schema: { params: appParams } }, async (request, reply) => {
    const app = await appFor(house, request, request.params.app)
    const page = paged(request, reply, await apps.releases(app.id), {
      version: release => release.version,
      id: release => release.id,
    })
    return Promise.all(page.map(release => releaseShape(house, app, release)))
  })
  server.get('/apps/:app/releases/:release', { schema: { params } }, async request => {
    const app = await appFor(house, request, request.params.app)
    return releaseShape(house, app, await found(app.id, request.params.release))
  })
  server.get('/apps/:app/releases/:release/config-vars', { schema: { params } }, async request => {
    const app = await appFor(house, request, request.params.app, 'app:deploy')
    return (await found(app.id, request.params.release)).config
  })
  server.post(
    '/apps/:app/releases',
    {
      schema: {
        params: appParams,
        body: Type.Object(
          { release: Type.Optional(Type.String()) },
          { additionalProperties: true },
        ),
      },
    },
    async (request, reply) => {
      const app = await appFor(house, request, request.params.app, 'app:deploy')
      const { release } = request.body
      if (release === undefined)
        throw new Failure(
          'invalid',
          'Only a rollback makes a release here: name an old one in `release`. Slugs are not supported; push an image.',
        )
      const target = await found(app.id, release)
      const made = await apps.rollback(app.id, target.id, await byOf(request))
      return reply.code(201).send(await releaseShape(house, app, made))
    },
  )
}

function dynoRoutes(server: Server, house: House): void {
  const { apps } = house
  const dynoParams = Type.Object({ app: Type.String(), dyno: Type.String() })
  server.get('/apps/:app/dynos', { schema: { params: appParams } }, async request => {
    const app = await appFor(house, request, request.params.app)
    return (await apps.dynos(app.id)).map(dyno => dynoShape(app, dyno))
  })
  server.get('/apps/:app/dynos/:dyno', { schema: { params: dynoParams } }, async request => {
    const app = await appFor(house, request, request.params.app)
    const dyno = (await apps.dynos(app.id)).find(
      one => one.name === request.params.dyno || one.id === request.params.dyno,
    )
    if (dyno === undefined) throw notFound('dyno')
    return dynoShape(app, dyno)
  })
  server.post('/apps/:app/dynos', { schema: { params: appParams } }, async request => {
    await appFor(house, request, request.params.app, 'app:deploy')
    throw new Failure('invalid', 'One-off dynos (heroku run) are not supported yet.')
  })
  server.delete('/apps/:app/dynos', { schema: { params: appParams } }, async (request, reply) => {
    const app = await appFor(house, request, request.params.app, 'app:deploy')
    await apps.restart(app.id, {}, await byOf(request))
    return reply.code(202).send({})
  })
  server.delete(
    '/apps/:app/dynos/:dyno',
    { schema: { params: dynoParams } },
    async (request, reply) => {
      const app = await appFor(house, request, request.params.app, 'app:deploy')
      await apps.restart(app.id, { name: request.params.dyno }, await byOf(request))
      return reply.code(202).send({})
    },
  )
  server.delete(
    '/apps/:app/formations/:type',
    { schema: { params: Type.Object({ app: Type.String(), type: Type.String() }) } },
    async (request, reply) => {
      const app = await appFor(house, request, request.params.app, 'app:deploy')
      await apps.restart(app.id, { type: request.params.type }, await byOf(request))
      return reply.code(202).send({})
    },
  )
}
