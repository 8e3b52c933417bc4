/** Server-sent events (WHATWG HTML, 9.2). */
import type { FastifyReply } from 'fastify'
import { type Clock, Failure } from '../../lib/index.ts'

export interface Message {
  id?: string | number
  event?: string
  /** One line or more. */
  data: string
}

const heartbeatMs = 15_000
const mediaType = 'text/event-stream; charset=utf-8'

/** A signal that aborts when the client has gone. */
export function gone(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  // the request's own `close` fires as soon as a body-less request was read
  reply.raw.once('close', () => controller.abort())
  return controller.signal
}

/** Writes messages as they come, a comment every 15 s in between, and waits for a slow reader. Ends when the source does. */
export async function sendEvents(
  reply: FastifyReply,
  clock: Clock,
  signal: AbortSignal,
  messages: AsyncIterable<Message>,
  /** Asked at each heartbeat: false ends the stream. */
  mayGoOn: () => Promise<boolean> = async () => true,
): Promise<void> {
  await send(reply, clock, signal, mediaType, texts(messages), ': still here\n\n', mayGoOn)
}

/** The same for plain text: chunks as they come. */
export async function sendText(
  reply: FastifyReply,
  clock: Clock,
  signal: AbortSignal,
  chunks: AsyncIterable<Uint8Array | string>,
): Promise<void> {
  await send(reply, clock, signal, 'text/plain; charset=utf-8', chunks, undefined, async () => true)
}

async function* texts(messages: AsyncIterable<Message>): AsyncIterable<string> {
  for await (const message of messages) yield format(message)
}

export function format({ id, event, data }: Message): string {
  const lines = data.split(/\r\n|\r|\n/).map(line => `data: ${line}\n`)
  return `${id === undefined ? '' : `id: ${id}\n`}${event === undefined ? '' : `event: ${event}\n`}${lines.join('')}\n`
}

async function send(
  reply: FastifyReply,
  clock: Clock,
  signal: AbortSignal,
  contentType: string,
  chunks: AsyncIterable<Uint8Array | string>,
  heartbeat: string | undefined,
  mayGoOn: () => Promise<boolean>,
): Promise<void> {
  reply.hijack()
  const response = reply.raw
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) response.setHeader(name, value)
  response.writeHead(200, { 'content-type': contentType, 'x-accel-buffering': 'no' })
  response.flushHeaders()
  const stop = new AbortController()
  const ended = AbortSignal.any([signal, stop.signal])
  if (heartbeat !== undefined) {
    response.write(heartbeat)
    beat(clock, ended, async () => {
      if (await mayGoOn()) response.write(heartbeat)
      else response.end()
    })
  }
  try {
    for await (const chunk of chunks) {
      if (response.writableEnded || response.destroyed) break
      if (!response.write(chunk)) await drained(response, ended)
    }
  } finally {
    stop.abort()
    response.end()
  }
}

function beat(clock: Clock, signal: AbortSignal, work: () => Promise<void>): void {
  const loop = async () => {
    while (!signal.aborted) {
      await clock.sleep(heartbeatMs, signal)
      await work()
    }
  }
  loop().catch(() => {})
}

function drained(response: NodeJS.EventEmitter, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      response.removeListener('drain', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    response.once('drain', done)
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) done()
  })
}

/** `Last-Event-ID` or a query parameter, as a number. */
export function resumeAt(value: unknown): number | undefined {
  if (value === undefined || value === '') return undefined
  const at = Number(value)
  if (Number.isSafeInteger(at) && at >= 0) return at
  throw new Failure('invalid', `${String(value).slice(0, 50)} is not a place to resume from.`)
}
