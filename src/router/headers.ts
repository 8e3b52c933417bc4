import type { IncomingHttpHeaders } from 'node:http'
import type { Visit } from './visit.ts'

const via = '1.1 slipway'

/** RFC 9110 §7.6.1, and what Node answers by itself (`Expect`). */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
])

/** What the router alone says: never taken over from a client. Underscores count as hyphens, as many frameworks read them. */
const ours = new Set([
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-forwarded-host',
  'x-forwarded-server',
  'x-request-id',
  'x-request-start',
  'x-real-ip',
  'forwarded',
])

/** What a `Connection` header may not strip. */
const kept = new Set(['host', 'content-length', 'content-type', 'authorization', 'cookie'])

/** The headers for the process, as `[name, value, …]`. */
export function requestHeaders(visit: Visit): string[] {
  const raw = visit.request.rawHeaders
  const named = namedBy(visit.request.headers.connection)
  const headers: string[] = []
  let path = via
  for (let at = 0; at < raw.length; at += 2) {
    const lower = raw[at]!.toLowerCase()
    if (hopByHop.has(lower) || named?.has(lower)) continue
    if (ours.has(lower.includes('_') ? lower.replaceAll('_', '-') : lower)) continue
    if (lower === 'via') path = `${raw[at + 1]}, ${path}`
    else headers.push(raw[at]!, raw[at + 1]!)
  }
  headers.push(
    'X-Request-Id',
    visit.requestId,
    'X-Forwarded-For',
    visit.forwardedFor,
    'X-Forwarded-Proto',
    visit.protocol,
    'X-Forwarded-Port',
    visit.port,
    'X-Forwarded-Host',
    visit.host,
    'X-Request-Start',
    String(visit.at),
    'Via',
    path,
  )
  return headers
}

/** The headers for the client. */
export function responseHeaders(
  headers: IncomingHttpHeaders,
  requestId: string,
): Record<string, string | string[]> {
  const named = namedBy(headers.connection)
  const out: Record<string, string | string[]> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined || hopByHop.has(name) || named?.has(name)) continue
    out[name] = value
  }
  const before = out['via']
  out['via'] = before === undefined ? via : `${before}, ${via}`
  out['x-request-id'] = requestId
  return out
}

function namedBy(connection: string | string[] | undefined): Set<string> | undefined {
  if (connection === undefined) return undefined
  const text = String(connection).toLowerCase()
  if (text === 'keep-alive' || text === 'close') return undefined
  const names = text.split(',').map(one => one.trim())
  return new Set(names.filter(one => !kept.has(one)))
}
