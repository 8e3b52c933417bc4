/** `/events`: everything that changes and that the asker may see, as server-sent events. */
import { Type } from '@fastify/type-provider-typebox'
import { Failure } from '../../lib/index.ts'
import { header } from '../http/credentials.ts'
import type { Request, Server } from '../http/server.ts'
import { gone, type Message, resumeAt, sendEvents } from '../http/sse.ts'
import type { LiveEvent } from '../ports.ts'
import type { House } from './context.ts'
import { iso } from './types.ts'

const asksAgainAfterMs = 5_000

export function eventRoutes(server: Server, house: House): void {
  server.get(
    '/events',
    {
      schema: {
        summary: 'Live changes (with `Accept: text/event-stream`)',
        description:
          "Slipway's own. The event's name is its type; `data` holds `id`, `at`, `project_id` or `app_id`, and what changed. Resume with `Last-Event-ID`. `resync` says that events were missed.",
        tags: ['events'],
        produces: ['text/event-stream'],
        querystring: Type.Object({
          last_event_id: Type.Optional(Type.Integer()),
          project_id: Type.Optional(Type.Integer()),
          app_id: Type.Optional(Type.String()),
        }),
      },
    },
    async (request, reply) => {
      if (!header(request, 'accept')?.includes('text/event-stream'))
        throw new Failure('invalid', 'Contribution events as a list are not there yet.', {
          hint: 'Send Accept: text/event-stream for live changes.',
        })
      const { last_event_id: last, project_id: projectId, app_id: appId } = request.query
      const after = resumeAt(header(request, 'last-event-id')) ?? last
      const signal = gone(reply)
      const wanted = (event: LiveEvent) =>
        event.type === 'resync' ||
        ((projectId === undefined || event.projectId === projectId) &&
          (appId === undefined || event.appId === appId))
      const events = house.events.follow(after, signal)
      const messages = visible(events, wanted, sight(house, request))
      await sendEvents(reply, house.clock, signal, messages, () => stillSignedIn(house, request))
    },
  )
}

async function* visible(
  events: AsyncIterable<LiveEvent>,
  wanted: (event: LiveEvent) => boolean,
  maySee: (event: LiveEvent) => Promise<boolean>,
): AsyncIterable<Message> {
  for await (const event of events)
    if (wanted(event) && (await maySee(event)))
      yield {
        id: event.id,
        event: event.type,
        data: JSON.stringify({
          ...event.data,
          id: event.id,
          at: iso(event.at),
          project_id: event.projectId,
          app_id: event.appId,
        }),
      }
}

/** Asks `may` for each project and app, and again after a few seconds. What was seen and is gone now may be told to be gone. */
function sight(house: House, request: Request): (event: LiveEvent) => Promise<boolean> {
  const known = new Map<string, { sees: boolean; until: number }>()
  const remember = async (key: string, ask: () => Promise<boolean | undefined>) => {
    const old = known.get(key)
    if (old && old.until > house.clock.now()) return old.sees
    const sees = (await ask()) ?? old?.sees ?? false
    known.set(key, { sees, until: house.clock.now() + asksAgainAfterMs })
    return sees
  }
  const project = (id: number | string) =>
    remember(`project ${id}`, async () => {
      const found = await house.accounts.project(id)
      if (found === undefined) return undefined
      return house.accounts.may(request.actor, 'project:read', { kind: 'project', project: found })
    })
  const app = (id: string) =>
    remember(`app ${id}`, async () => {
      const found = await house.apps.find(id)
      if (found === undefined) return undefined
      const collaboratorIds = await house.apps.collaborators(found.id)
      const resource = { kind: 'app' as const, ownerId: found.ownerId, collaboratorIds }
      return house.accounts.may(request.actor, 'app:read', resource)
    })
  return event => {
    if (event.projectId !== undefined) return project(event.projectId)
    if (event.appId !== undefined) return app(event.appId)
    const repository = event.data['repository']
    if (typeof repository === 'string') return ofRepository(repository, project, app)
    return Promise.resolve(event.type === 'resync')
  }
}

/** `heroku/{app}/{process}` is an app's, `docker.io/…` everyone's, the rest a project's, which may have folders behind its path. */
async function ofRepository(
  repository: string,
  project: (path: string) => Promise<boolean>,
  app: (name: string) => Promise<boolean>,
): Promise<boolean> {
  const segments = repository.split('/')
  if (segments[0] === 'heroku') return app(segments[1] ?? '')
  if (segments[0]?.includes('.')) return true
  for (let length = segments.length; length >= 2; length--)
    if (await project(segments.slice(0, length).join('/'))) return true
  return false
}

async function stillSignedIn(house: House, request: Request): Promise<boolean> {
  const { credentials } = request
  return credentials !== undefined && (await house.accounts.authenticate(credentials)) !== undefined
}
