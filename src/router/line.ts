import { type CodeName, codes } from './codes.ts'
import type { RequestLine } from './index.ts'
import type { Visit } from './visit.ts'

/** How a request ended. */
export interface Ending {
  status: number
  code?: CodeName
  dyno?: string
  connectMs?: number
  serviceMs?: number
  /** Of the answer's body. */
  bytes?: number
}

/** Heroku's router line (https://devcenter.heroku.com/articles/http-routing#heroku-router-log-format). */
export function requestLine(
  visit: Visit,
  ending: Ending,
  now: number,
  loggedPath: number,
): RequestLine {
  const { request } = visit
  const code = ending.code && codes[ending.code]
  const head = code ? `at=${code.at} code=${code.code} desc="${code.description}"` : 'at=info'
  const text = [
    head,
    `method=${request.method}`,
    `path="${quotable(visit.target, loggedPath)}"`,
    `host=${quotable(request.headers.host ?? '', 300)}`,
    `request_id=${visit.requestId}`,
    `fwd="${quotable(visit.forwardedFor, 500)}"`,
    `dyno=${ending.dyno ?? ''}`,
    `connect=${milliseconds(ending.connectMs)}`,
    `service=${milliseconds(ending.serviceMs)}`,
    `status=${ending.status}`,
    `bytes=${ending.bytes ?? ''}`,
    `protocol=${visit.protocol}`,
  ].join(' ')
  return {
    at: now,
    appId: visit.entry.route.appId,
    text,
    status: ending.status,
    ...(ending.code && { code: ending.code }),
    serviceMs: ending.serviceMs ?? now - visit.at,
  }
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? '' : `${value}ms`
}

/** Nothing in it can end the quotes or the line. */
function quotable(text: string, length: number): string {
  const short = text.length > length ? `${text.slice(0, length)}…` : text
  return /["\\\x00-\x1f\x7f-\x9f]/.test(short)
    ? short.replace(/["\\\x00-\x1f\x7f-\x9f]/g, one => encodeURIComponent(one))
    : short
}
