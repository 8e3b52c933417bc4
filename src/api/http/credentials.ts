import type { Credentials } from '../../accounts/index.ts'
import type { Request } from './server.ts'

export const sessionCookie = '_slipway_session'

/** `Bearer` token, or `Basic`. Undefined when the header isn't there or says nothing we know. */
export function authorization(request: Request): Credentials | undefined {
  const header = request.headers.authorization ?? ''
  const [scheme = '', value = ''] = header.split(/\s+/, 2)
  if (/^bearer$/i.test(scheme)) return { kind: 'token', token: value }
  if (!/^basic$/i.test(scheme)) return undefined
  const text = Buffer.from(value, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0) return { kind: 'basic', username: '', password: text, from: request.ip }
  return {
    kind: 'basic',
    username: text.slice(0, colon),
    password: text.slice(colon + 1),
    from: request.ip,
  }
}

/** A header that must stand once. */
export function header(request: Request, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

/** The browser's session, from the cookie header. */
export function session(request: Request): Credentials | undefined {
  const id = cookies(request.headers.cookie ?? '').get(sessionCookie)
  return id === undefined ? undefined : { kind: 'session', id }
}

function cookies(header: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const part of header.split(';')) {
    const equals = part.indexOf('=')
    if (equals > 0) found.set(part.slice(0, equals).trim(), part.slice(equals + 1).trim())
  }
  return found
}
