/** A job's log: plain with ranges, or live as server-sent events. */
import { Readable } from 'node:stream'
import { Type } from '@fastify/type-provider-typebox'
import { header } from '../http/credentials.ts'
import type { Server } from '../http/server.ts'
import { gone, type Message, resumeAt, sendEvents, sendText } from '../http/sse.ts'
import { type House, projectFor } from './context.ts'
import { jobFor, jobParams } from './jobs.ts'

export function traceRoutes(server: Server, house: House): void {
  const { logs, clock } = house
  server.get(
    '/projects/:id/jobs/:job_id/trace',
    {
      config: { anonymous: true },
      schema: {
        summary: "A job's log as text; `Range: bytes=N-` or `offset` for the rest of it",
        tags: ['jobs'],
        produces: ['text/plain'],
        params: jobParams,
        querystring: Type.Object({
          offset: Type.Optional(Type.Integer({ minimum: 0, description: 'In bytes.' })),
          follow: Type.Optional(Type.Boolean({ description: 'Goes on until the job ends.' })),
        }),
      },
    },
    async (request, reply) => {
      const project = await projectFor(house, request, request.params.id)
      const job = await jobFor(house, project, request.params.job_id)
      const key = house.traceKey(job.id)
      const { offset = 0, follow } = request.query
      reply.header('content-security-policy', "default-src 'none'; sandbox")
      if (follow) {
        const signal = gone(reply)
        return sendText(reply, clock, signal, logs.follow(key, offset, signal))
      }
      const size = await logs.size(key)
      const range = parseRange(header(request, 'range'), size)
      reply.type('text/plain; charset=utf-8').header('accept-ranges', 'bytes')
      if (range === 'unsatisfiable')
        return reply.code(416).header('content-range', `bytes */${size}`).send('')
      const { start, end } = range ?? { start: Math.min(offset, size), end: size }
      if (range) reply.code(206).header('content-range', `bytes ${start}-${end - 1}/${size}`)
      reply.header('content-length', end - start)
      return reply.send(Readable.from(await logs.read(key, start, end), { objectMode: false }))
    },
  )
  server.get(
    '/projects/:id/jobs/:job_id/trace/stream',
    {
      config: { anonymous: true },
      schema: {
        summary: "A job's log as it grows",
        description:
          'Events `trace` with `{"offset", "text"}`; their ids are byte offsets to resume from (`Last-Event-ID`). `end` with the status when the log is complete.',
        tags: ['jobs'],
        produces: ['text/event-stream'],
        params: jobParams,
        querystring: Type.Object({ offset: Type.Optional(Type.Integer({ minimum: 0 })) }),
      },
    },
    async (request, reply) => {
      const project = await projectFor(house, request, request.params.id)
      const job = await jobFor(house, project, request.params.job_id)
      const start = resumeAt(header(request, 'last-event-id')) ?? request.query.offset ?? 0
      const signal = gone(reply)
      const chunks = logs.follow(house.traceKey(job.id), start, signal)
      const status = async () => (await house.pipelines.job(job.id))?.status ?? 'gone'
      const mayGoOn = () => projectFor(house, request, String(project.id)).then(yes, no)
      await sendEvents(reply, clock, signal, traceEvents(chunks, start, signal, status), mayGoOn)
    },
  )
}

const yes = () => true
const no = () => false

async function* traceEvents(
  chunks: AsyncIterable<Uint8Array>,
  start: number,
  signal: AbortSignal,
  status: () => Promise<string>,
): AsyncIterable<Message> {
  let offset = start
  for await (const { text, bytes } of wholeCharacters(chunks)) {
    yield { id: offset + bytes, event: 'trace', data: JSON.stringify({ offset, text }) }
    offset += bytes
  }
  if (!signal.aborted)
    yield { id: offset, event: 'end', data: JSON.stringify({ offset, status: await status() }) }
}

/** Cuts between characters, never inside one: the start of a character waits for its rest. */
export async function* wholeCharacters(
  chunks: AsyncIterable<Uint8Array>,
): AsyncIterable<{ text: string; bytes: number }> {
  let rest = new Uint8Array(0)
  for await (const chunk of chunks) {
    const all = Buffer.concat([rest, chunk])
    const cut = all.length - openBytes(all)
    rest = Uint8Array.from(all.subarray(cut))
    if (cut > 0) yield { text: all.toString('utf8', 0, cut), bytes: cut }
  }
  if (rest.length > 0) yield { text: Buffer.from(rest).toString('utf8'), bytes: rest.length }
}

/** How many bytes at the end begin a character (UTF-8) that isn't complete. */
function openBytes(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!
    if ((byte & 0xc0) === 0x80) continue
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return length > back ? back : 0
  }
  return 0
}

/** One range of bytes (RFC 9110, 14.1.2); anything else is as if it weren't there. `end` is exclusive. */
export function parseRange(
  value: string | undefined,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(value?.trim() ?? '')
  if (match === null || (match[1] === '' && match[2] === '')) return undefined
  if (match[1] === '') {
    const start = Math.max(size - Number(match[2]), 0)
    return start < size ? { start, end: size } : 'unsatisfiable'
  }
  const start = Number(match[1])
  const last = match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1)
  if (start >= size || last < start) return 'unsatisfiable'
  return { start, end: last + 1 }
}
