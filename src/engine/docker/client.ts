import { type Agent, request as httpRequest, type RequestOptions } from 'node:http'
import { type Duplex, Readable } from 'node:stream'
import { type Dispatcher, Pool } from 'undici'
import { Failure } from '../../lib/index.ts'
import type { Connection } from './connection.ts'
import { failureOf, unreachable } from './failures.ts'

/** The newest API version whose answers this adapter was written for; an older engine is spoken to in its own. */
const newestVersion = '1.44'
/** Docker 20.10. */
const oldestVersion = '1.41'
const shortCallMs = 120_000
const maxAnswerBytes = 32 * 1024 * 1024

export interface Call {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Below the version: `/containers/json`. */
  path: string
  query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>
  json?: unknown
  body?: AsyncIterable<Uint8Array> | Uint8Array
  headers?: Readonly<Record<string, string>>
  signal?: AbortSignal
  /** How long the engine may take until it begins to answer; 0: for ever. */
  answerMs?: number
}

/** A raw connection after the engine switched protocols. */
export interface Hijacked {
  socket: Duplex
  /** Bytes that came with the answer's head. */
  head: Uint8Array
}

export interface DockerClient {
  /** Parses the answer as JSON; undefined for an empty one. Throws a Failure for anything but 2xx and 304. */
  json<T>(call: Call): Promise<T>
  /** The answer's body, as it comes. Leaving the loop ends the connection. */
  stream(call: Call): Promise<AsyncIterable<Uint8Array>>
  hijack(call: Call): Promise<Hijacked>
  apiVersion(signal?: AbortSignal): Promise<string>
  close(): Promise<void>
}

/** Speaks HTTP to the engine: a bounded pool for short calls, connections of their own for streams, raw sockets for hijacked ones. */
export function createDockerClient(connection: Connection): DockerClient {
  const origin = 'host' in connection ? connection.host : 'http://localhost'
  const place = 'host' in connection ? connection.host : connection.socketPath
  const target = 'host' in connection ? {} : { socketPath: connection.socketPath }
  const options = { ...target, pipelining: 1, connectTimeout: 10_000, bodyTimeout: 0 }
  const shortCalls = new Pool(origin, { ...options, connections: 16 })
  // A follower holds its connection for as long as its container lives, so these can't share a bounded pool.
  const longCalls = new Pool(origin, { ...options, keepAliveTimeout: 1000 })
  const sockets = new Set<Duplex>()
  let negotiated: Promise<string> | undefined
  let closed = false

  async function send(pool: Pool, url: string, call: Call): Promise<Dispatcher.ResponseData> {
    if (closed) throw new Failure('unavailable', 'The engine client is closed.')
    try {
      return await pool.request({
        method: call.method ?? 'GET',
        path: url,
        headers: {
          ...(call.json === undefined ? {} : { 'content-type': 'application/json' }),
          ...(call.body === undefined ? {} : { 'content-type': 'application/x-tar' }),
          ...call.headers,
        },
        body: bodyOf(call),
        headersTimeout: call.answerMs ?? shortCallMs,
        ...(call.signal === undefined ? {} : { signal: call.signal }),
      })
    } catch (error) {
      if (call.signal?.aborted) throw call.signal.reason
      throw unreachable(place, error)
    }
  }

  async function textOf(body: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<string> {
    const parts: Uint8Array[] = []
    let size = 0
    try {
      for await (const part of body) {
        size += part.length
        if (size > maxAnswerBytes)
          throw new Failure('too_large', `The engine's answer is over ${maxAnswerBytes} bytes.`)
        parts.push(part)
      }
    } catch (error) {
      if (error instanceof Failure) throw error
      if (signal?.aborted) throw signal.reason
      throw unreachable(place, error)
    }
    return Buffer.concat(parts).toString()
  }

  async function negotiate(signal?: AbortSignal): Promise<string> {
    const answer = await send(shortCalls, '/_ping', { path: '/_ping', signal })
    await textOf(answer.body, signal)
    const offered = String(answer.headers['api-version'] ?? '')
    if (!/^\d+\.\d+$/.test(offered) || isOlder(offered, oldestVersion))
      throw new Failure(
        'unavailable',
        `What answers at ${place} speaks Docker's API ${offered || 'not at all'}; Slipway needs ${oldestVersion} (Docker 20.10) or newer.`,
      )
    return isOlder(offered, newestVersion) ? offered : newestVersion
  }

  function apiVersion(signal?: AbortSignal): Promise<string> {
    negotiated ??= negotiate(signal).catch(error => {
      negotiated = undefined
      throw error
    })
    return negotiated
  }

  async function urlOf(call: Call): Promise<string> {
    return `/v${await apiVersion()}${call.path}${queryOf(call.query)}`
  }

  return {
    apiVersion,
    async json<T>(call: Call): Promise<T> {
      const answer = await send(
        call.answerMs === 0 ? longCalls : shortCalls,
        await urlOf(call),
        call,
      )
      const text = await textOf(answer.body, call.signal)
      if (answer.statusCode >= 300 && answer.statusCode !== 304)
        throw failureOf(answer.statusCode, text)
      return (text.trim() === '' ? undefined : JSON.parse(text)) as T
    },
    async stream(call) {
      const answer = await send(longCalls, await urlOf(call), call)
      if (answer.statusCode >= 300)
        throw failureOf(answer.statusCode, await textOf(answer.body, call.signal))
      return relay(answer.body, place, call.signal)
    },
    async hijack(call) {
      const hijacked = await upgrade(
        origin,
        { ...target, agent: false as unknown as Agent, path: await urlOf(call), method: 'POST' },
        call.json,
        place,
      )
      sockets.add(hijacked.socket)
      hijacked.socket.once('close', () => sockets.delete(hijacked.socket))
      return hijacked
    },
    async close() {
      closed = true
      for (const socket of sockets) socket.destroy()
      await Promise.all([shortCalls.destroy(), longCalls.destroy()])
    },
  }
}

async function* relay(
  body: AsyncIterable<Uint8Array>,
  place: string,
  signal: AbortSignal | undefined,
): AsyncIterable<Uint8Array> {
  try {
    yield* body
  } catch (error) {
    throw signal?.aborted ? signal.reason : unreachable(place, error)
  }
}

/** Node's own client, since an upgrade through undici can't carry the body that `exec start` needs. */
function upgrade(
  origin: string,
  options: RequestOptions,
  json: unknown,
  place: string,
): Promise<Hijacked> {
  const body = json === undefined ? '' : JSON.stringify(json)
  return new Promise((resolve, reject) => {
    const request = httpRequest(origin, {
      ...options,
      headers: {
        connection: 'Upgrade',
        upgrade: 'tcp',
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      },
    })
    request.setTimeout(shortCallMs, () => request.destroy(new Error('no answer')))
    request.on('error', error => reject(unreachable(place, error)))
    request.on('upgrade', (_response, socket, head) => {
      request.setTimeout(0)
      resolve({ socket, head })
    })
    request.on('response', response => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', error => reject(unreachable(place, error)))
      response.on('end', () =>
        reject(failureOf(response.statusCode ?? 500, Buffer.concat(parts).toString())),
      )
    })
    request.end(body)
  })
}

function bodyOf(call: Call): string | Uint8Array | Readable | null {
  if (call.json !== undefined) return JSON.stringify(call.json)
  if (call.body === undefined || call.body instanceof Uint8Array) return call.body ?? null
  return Readable.from(call.body)
}

function queryOf(query: Call['query']): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined) continue
    for (const one of Array.isArray(value) ? value : [value]) parameters.append(name, String(one))
  }
  const text = parameters.toString()
  return text === '' ? '' : `?${text}`
}

function isOlder(version: string, than: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [thanMajor = 0, thanMinor = 0] = than.split('.').map(Number)
  return major < thanMajor || (major === thanMajor && minor < thanMinor)
}
