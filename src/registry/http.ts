import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../lib/index.ts'
import { RegistryError } from './errors.ts'

/** A body that must fit in memory. */
export async function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const tooLarge = () =>
    new RegistryError('SIZE_INVALID', `the body is larger than ${limitBytes} bytes`, {
      status: 413,
    })
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) throw tooLarge()
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of bodyOf(request)) {
    size += chunk.length
    if (size > limitBytes) throw tooLarge()
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks)
}

/** The request's bytes. Stopping early leaves the connection open, so that an answer can still be sent. */
export function bodyOf(request: IncomingMessage): AsyncIterable<Uint8Array> {
  return request.iterator({ destroyOnReturn: false })
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const bytes = Buffer.from(JSON.stringify(body))
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': bytes.length,
    ...headers,
  })
  response.end(bytes)
}

export function sendEmpty(
  response: ServerResponse,
  status: number,
  headers: Record<string, string>,
): void {
  response.writeHead(status, status === 204 ? headers : { 'content-length': '0', ...headers })
  response.end()
}

/** Sends bytes as fast as the client takes them, and stops reading when it goes away. */
export async function sendStream(
  response: ServerResponse,
  bytes: AsyncIterable<Uint8Array>,
): Promise<void> {
  for await (const chunk of bytes) {
    if (response.destroyed) return
    if (!response.write(chunk)) await drained(response)
  }
  response.end()
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}

const lingerMs = 5_000

/**
 * An answer that may come before the request's end. It is sent whole at once, but the connection is kept, and what
 * still arrives is thrown away, for a while: a client that is writing would see a reset in place of the answer
 * (dockerd says `Connection: close`, at which Node closes as soon as the answer has ended).
 */
export async function sendEarly(
  request: IncomingMessage,
  response: ServerResponse,
  clock: Clock,
  answer: { status: number; body: unknown; headers: Record<string, string> },
): Promise<void> {
  const bytes = Buffer.from(JSON.stringify(answer.body))
  response.writeHead(answer.status, {
    'content-type': 'application/json',
    'content-length': bytes.length,
    ...answer.headers,
  })
  response.write(bytes)
  if (!request.complete && !request.destroyed) await discardRest(request, clock)
  response.end()
  if (!request.complete) request.destroy()
}

async function discardRest(request: IncomingMessage, clock: Clock): Promise<void> {
  const ended = new AbortController()
  const onEnd = () => ended.abort()
  request.once('end', onEnd).once('close', onEnd)
  request.resume()
  await clock.sleep(lingerMs, ended.signal).catch(() => {})
}

/** One range of `Range: bytes=…` (RFC 9110, 14.1.2), end exclusive. Undefined: send everything. Throws when nothing of it is there. */
export function parseRange(
  header: string | undefined,
  sizeBytes: number,
): { start: number; end: number } | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const [first, last] = [match[1]!, match[2]!]
  const start = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first)
  const end = first === '' || last === '' ? sizeBytes : Math.min(sizeBytes, Number(last) + 1)
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined
  if (start >= sizeBytes || start >= end)
    throw new RegistryError('RANGE_INVALID', 'the range is not within the blob', {
      headers: { 'content-range': `bytes */${sizeBytes}` },
    })
  return { start, end }
}
