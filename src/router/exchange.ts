import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import type { CodeName } from './codes.ts'
import { hasBody } from './framing.ts'
import { requestHeaders, responseHeaders } from './headers.ts'
import type { Limits } from './limits.ts'
import type { Ending } from './line.ts'
import type { Lease, Upstream } from './upstream.ts'
import type { Visit } from './visit.ts'

/** What an exchange needs of its router. */
export interface ExchangeHost {
  readonly limits: Limits
  now(): number
  /** Another process for a second try, the same one when there is no other. */
  another(visit: Visit, not: Upstream): Upstream
  /** Answers with the code's page, if an answer can still be given, and writes the line. */
  fail(visit: Visit, response: ServerResponse, code: CodeName, ending: Partial<Ending>): void
  done(visit: Visit, ending: Ending): void
}

/** Why the router itself broke off. */
class Broken extends Error {
  readonly code: CodeName

  constructor(code: CodeName) {
    super(code)
    this.code = code
  }
}

const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** One request and its answer between a client and a process. Streams both ways, with back-pressure; never buffers. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #host: ExchangeHost
  readonly #visit: Visit
  readonly #response: ServerResponse
  readonly #withBody: boolean
  #upstream: Upstream
  #lease: Lease | undefined
  #controller: Dispatcher.DispatchController | undefined
  #timer: NodeJS.Timeout | undefined
  #phase: 'sending' | 'waiting' | 'receiving' | 'ended' = 'sending'
  #broken: CodeName | undefined
  #tries = 0
  #bytes = 0
  #dispatchedAt = 0
  #activeAt = 0
  #connectMs: number | undefined

  constructor(host: ExchangeHost, visit: Visit, response: ServerResponse, upstream: Upstream) {
    this.#host = host
    this.#visit = visit
    this.#response = response
    this.#upstream = upstream
    this.#withBody = hasBody(visit.request)
    response.on('close', () => {
      if (!response.writableFinished) this.#break('H27')
    })
    response.on('drain', () => this.#controller?.resume())
  }

  start(): void {
    this.#upstream.begin()
    this.#activeAt = this.#host.now()
    this.#arm(this.#host.limits.idleMs)
    this.#dispatch(false)
  }

  #dispatch(fresh: boolean): void {
    const { request, target } = this.#visit
    this.#tries++
    this.#lease = this.#upstream.take(fresh)
    this.#dispatchedAt = this.#host.now()
    const options: Dispatcher.DispatchOptions = {
      path: target,
      method: request.method!,
      headers: requestHeaders(this.#visit),
      // An iterator, so that an early answer doesn't take the client's connection with it.
      body: (this.#withBody ? request.iterator({ destroyOnReturn: false }) : null) as null,
    }
    try {
      this.#lease.client.dispatch(options, this)
    } catch (error) {
      this.onResponseError(undefined, error as Error)
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.#connectMs = this.#host.now() - this.#dispatchedAt
    if (this.#broken) controller.abort(new Broken(this.#broken))
  }

  onBodySent(): void {
    this.#activeAt = this.#host.now()
  }

  onRequestSent(): void {
    if (this.#phase !== 'sending') return
    this.#phase = 'waiting'
    this.#arm(this.#host.limits.firstByteMs)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    message?: string,
  ): void {
    if (status < 200) return
    const response = this.#response
    if (response.destroyed) {
      controller.abort(new Broken('H27'))
      return
    }
    this.#phase = 'receiving'
    this.#activeAt = this.#host.now()
    this.#arm(this.#host.limits.idleMs)
    response.writeHead(status, message ?? '', responseHeaders(headers, this.#visit.requestId))
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length
    this.#activeAt = this.#host.now()
    if (!this.#response.write(chunk)) controller.pause()
  }

  onResponseEnd(): void {
    this.#response.end()
    this.#end()
    this.#host.done(this.#visit, { ...this.#ending(), status: this.#response.statusCode })
  }

  onResponseError(_controller: unknown, error: Error): void {
    if (this.#phase === 'ended') return
    const refused = isRefused(error)
    if (this.#mayRetry(refused)) {
      this.#give()
      const next = this.#host.another(this.#visit, this.#upstream)
      if (!refused || next !== this.#upstream) {
        next.begin()
        this.#upstream.end()
        this.#upstream = next
        this.#controller = undefined
        this.#dispatch(true)
        return
      }
    }
    const started = this.#phase === 'receiving'
    this.#end()
    const code = this.#broken ?? codeOf(error, started)
    this.#host.fail(this.#visit, this.#response, code, this.#ending())
  }

  /** Only what cannot have been seen by the app, or may be seen twice: refused, or cut on a connection that had been idle. */
  #mayRetry(refused: boolean): boolean {
    return (
      this.#tries === 1 &&
      this.#broken === undefined &&
      this.#phase !== 'receiving' &&
      !this.#withBody &&
      idempotent.has(this.#visit.request.method!) &&
      (refused || this.#lease?.reused === true)
    )
  }

  #break(code: CodeName): void {
    if (this.#phase === 'ended') return
    this.#broken ??= code
    this.#controller?.abort(new Broken(this.#broken))
  }

  #arm(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#expired(ms), ms)
  }

  #expired(ms: number): void {
    const left = this.#phase === 'waiting' ? 0 : this.#activeAt + ms - this.#host.now()
    if (left > 0) {
      this.#timer = setTimeout(() => this.#expired(ms), left)
      return
    }
    if (this.#phase === 'waiting') this.#break('H12')
    else if (this.#phase === 'sending') this.#break('H28')
    else this.#break(this.#controller?.paused ? 'H28' : 'H15')
  }

  #give(): void {
    if (this.#lease) this.#upstream.give(this.#lease.client)
    this.#lease = undefined
  }

  #end(): void {
    this.#phase = 'ended'
    clearTimeout(this.#timer)
    this.#give()
    this.#upstream.end()
  }

  #ending(): Omit<Ending, 'status'> {
    return {
      dyno: this.#upstream.backend.dyno,
      connectMs: this.#connectMs,
      serviceMs: this.#host.now() - this.#dispatchedAt - (this.#connectMs ?? 0),
      bytes: this.#bytes,
    }
  }
}

const unreadable = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'ERR_INVALID_CHAR',
  'ERR_HTTP_INVALID_HEADER_VALUE',
  'ERR_HTTP_INVALID_STATUS_CODE',
])

function isRefused(error: Error & { code?: string }): boolean {
  return error.code === 'ECONNREFUSED' || error.code === 'EHOSTUNREACH'
}

function codeOf(error: Error & { code?: string }, started: boolean): CodeName {
  if (started) return 'H18'
  if (isRefused(error) || error.code === 'ENETUNREACH') return 'H21'
  if (error.code === 'UND_ERR_CONNECT_TIMEOUT' || error.code === 'ETIMEDOUT') return 'H19'
  if (error.code === 'UND_ERR_SOCKET' || error.code === 'ECONNRESET' || error.code === 'EPIPE')
    return 'H13'
  if (error.name === 'HTTPParserError' || unreadable.has(error.code ?? '')) return 'H17'
  return 'H99'
}
