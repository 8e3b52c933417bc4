import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { Failure } from '../lib/index.ts'

/** The request's body, unpacked if the client packed it. */
export function bodyOf(request: IncomingMessage): Readable {
  const encoding = request.headers['content-encoding']
  if (encoding === undefined || encoding === 'identity') return request
  if (encoding !== 'gzip' && encoding !== 'x-gzip')
    throw new Failure('invalid', `The content encoding ${encoding} is not supported.`)
  return pipeline(request, createGunzip(), () => {})
}

/** Writes and waits until the client has taken enough; does nothing once the client is gone. */
export async function send(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  if (response.destroyed || bytes.length === 0) return
  if (response.write(bytes)) return
  const over = new AbortController()
  await Promise.race([
    once(response, 'drain', { signal: over.signal }),
    once(response, 'close', { signal: over.signal }),
  ]).catch(() => {})
  over.abort()
}

/** Calls `onIdle` when nothing was `touched` for that long. */
export function idleTimer(idleMs: number, onIdle: () => void): { touch(): void; stop(): void } {
  let touchedAt = performance.now()
  const timer = setInterval(() => {
    if (performance.now() - touchedAt > idleMs) onIdle()
  }, idleMs / 4)
  timer.unref()
  return {
    touch: () => {
      touchedAt = performance.now()
    },
    stop: () => clearInterval(timer),
  }
}
