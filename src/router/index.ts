/**
 * Router: host → process. Knows routes and backends, nothing of apps.
 *
 * The listener belongs to the caller: it hands each request to `handle` and each upgrade to `upgrade` when `knows(host)` says so. A host that
 * no route names is answered with 404, never by another app. Codes, log lines and time limits are Heroku's
 * (https://devcenter.heroku.com/articles/error-codes, https://devcenter.heroku.com/articles/http-routing).
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

export { defaultLimits, type Limits } from './limits.ts'
export { createRouter, type RouterOptions } from './router.ts'

export interface Backend {
  /** Unique over time; a new process of the same app has another. `web.1` of release 7: `app-uuid/v7/web.1`. */
  id: string
  /** The dyno's name in log lines. */
  dyno: string
  host: string
  port: number
}

export interface Route {
  /** Owner, for log lines. */
  appId: string
  /** Lower case, without port. */
  hosts: string[]
  backends: Backend[]
  /** What to answer when there is no backend: H10 crashed, H14 none running, H20 booting, H80 maintenance, H81 blank app. */
  state: 'up' | 'crashed' | 'none' | 'booting' | 'maintenance' | 'blank'
}

/** One request as it ended, for the app's log and the metrics. */
export interface RequestLine {
  at: number
  appId: string
  /** `at=info method=GET path="/" host=… request_id=… fwd="…" dyno=web.1 connect=1ms service=18ms status=200 bytes=13 protocol=http` */
  text: string
  status: number
  code?: string
  serviceMs: number
}

export interface Router {
  /**
   * Replaces the app's route; requests in flight on a backend that is gone from it go on to their end.
   * Throws `Failure('conflict')` when another app has one of the hosts.
   */
  set(route: Route): void
  delete(appId: string): void
  /** Resolves when no request is in flight on this backend, or after `timeoutMs`. Upgraded connections don't count: they end with the process. */
  drained(backendId: string, timeoutMs: number): Promise<void>
  knows(host: string): boolean
  handle(request: IncomingMessage, response: ServerResponse): void
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Ends everything that is in flight. Close the listener first. */
  close(): Promise<void>
}
