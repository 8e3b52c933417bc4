import { createHmac, timingSafeEqual } from 'node:crypto'
import { Type } from '@fastify/type-provider-typebox'
import { Failure, uuid } from '../../lib/index.ts'
import { header } from '../http/credentials.ts'
import { originOf, type Server } from '../http/server.ts'
import { gone, type Message, resumeAt, sendEvents, sendText } from '../http/sse.ts'
import { appParams } from './apps.ts'
import { appFor, type House } from './context.ts'
import { time } from './shapes.ts'

const tailBytes = 1 << 20
const maxLines = 1500
const sessionMs = 60 * 60_000

interface Session {
  appId: string
  lines: number
  tail: boolean
  source?: string
  dyno?: string
  until: number
}

/** `POST log-sessions` answers an address that is the secret itself: signed, good for an hour, no state on the server. */
export function logRoutes(server: Server, house: House): void {
  const key = house.random.bytes(32)
  const sign = (text: string) => createHmac('sha256', key).update(text).digest('base64url')

  server.post(
    '/apps/:app/log-sessions',
    {
      schema: {
        params: appParams,
        body: Type.Union([
          Type.Null(),
          Type.Object(
            {
              lines: Type.Optional(Type.Integer({ minimum: 0 })),
              tail: Type.Optional(Type.Boolean()),
              source: Type.Optional(Type.String()),
              dyno: Type.Optional(Type.String()),
            },
            { additionalProperties: true },
          ),
        ]),
      },
    },
    async (request, reply) => {
      const app = await appFor(house, request, request.params.app)
      const { lines = 100, tail = false, source, dyno } = request.body ?? {}
      const now = house.clock.now()
      const session: Session = {
        appId: app.id,
        lines: Math.min(lines, maxLines),
        tail,
        until: now + sessionMs,
        ...(source && { source }),
        ...(dyno && { dyno }),
      }
      const text = Buffer.from(JSON.stringify(session)).toString('base64url')
      const address = `${originOf(request, house.urls.external)}/heroku/log-sessions/${text}.${sign(text)}?srv=1`
      return reply.code(201).send({
        id: uuid(house.random),
        logplex_url: address,
        created_at: time(now),
        updated_at: time(now),
      })
    },
  )

  server.get(
    '/heroku/log-sessions/:session',
    {
      config: { anonymous: true },
      schema: { params: Type.Object({ session: Type.String() }) },
    },
    async (request, reply) => {
      const session = open(request.params.session, sign)
      if (session === undefined || session.until < house.clock.now())
        throw new Failure('not_found', 'That log session is over.', {
          details: { resource: 'log_session' },
        })
      const signal = gone(reply)
      const messages = linesOf(house, session, resumeAt(header(request, 'last-event-id')), signal)
      const wantsEvents = (header(request, 'accept') ?? '').includes('text/event-stream')
      if (wantsEvents) return sendEvents(reply, house.clock, signal, messages)
      return sendText(reply, house.clock, signal, texts(messages))
    },
  )
}

function open(text: string, sign: (text: string) => string): Session | undefined {
  const [payload = '', signature = ''] = text.split('.', 2)
  const expected = Buffer.from(sign(payload))
  const given = Buffer.from(signature)
  if (expected.length !== given.length || !timingSafeEqual(expected, given)) return undefined
  return JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Session
}

async function* texts(messages: AsyncIterable<Message>): AsyncIterable<string> {
  for await (const message of messages) yield `${message.data}\n`
}

/** The newest lines that match, then, with `tail`, those that come. Ids are byte offsets behind the line. */
async function* linesOf(
  house: House,
  session: Session,
  resume: number | undefined,
  signal: AbortSignal,
): AsyncIterable<Message> {
  const key = house.apps.logKey(session.appId)
  const size = await house.logs.size(key)
  const start = resume ?? Math.max(0, size - tailBytes)
  const old: Message[] = []
  for await (const line of cut(await house.logs.read(key, start, size), start))
    if (matches(line.data, session)) old.push(line)
  const isCut = resume === undefined && start > 0
  yield* (isCut ? old.slice(1) : old).slice(resume === undefined ? -session.lines || old.length : 0)
  if (!session.tail) return
  for await (const line of cut(house.logs.follow(key, size, signal), size))
    if (matches(line.data, session)) yield line
}

async function* cut(chunks: AsyncIterable<Uint8Array>, from: number): AsyncIterable<Message> {
  let rest = Buffer.alloc(0)
  let at = from
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk])
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      at += end + 1
      yield { id: at, data: rest.toString('utf8', 0, end) }
      rest = rest.subarray(end + 1)
    }
  }
}

/** `2026-… app[web.1]: text`; a dyno filter is a name or a process type. */
function matches(line: string, { source, dyno }: Session): boolean {
  const found = /^\S+ (\w+)\[([^\]]+)\]: /.exec(line)
  if (source !== undefined && found?.[1] !== source) return false
  return dyno === undefined || found?.[2] === dyno || (found?.[2] ?? '').startsWith(`${dyno}.`)
}
