import type { IncomingMessage } from 'node:http'
import { challengeHeader, type Principal } from './access.ts'
import { RegistryError } from './errors.ts'
import type { RegistryOptions } from './ports.ts'
import type { Tokens } from './tokens.ts'
import type { View } from './views.ts'

/** The user name that goes with a token made for our own engine. */
export const engineUsername = 'slipway-engine'

export interface BasicCredentials {
  kind: 'basic'
  username: string
  password: string
}

/** What `Authorization: Basic` holds (RFC 7617); undefined for another scheme or for garbage. */
export function basicOf(request: IncomingMessage): BasicCredentials | undefined {
  const encoded = /^basic ([a-z0-9+/=_-]+)$/i.exec(request.headers.authorization ?? '')?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  if (colon < 0) return undefined
  return { kind: 'basic', username: text.slice(0, colon), password: text.slice(colon + 1) }
}

type Parts = { accounts: RegistryOptions['accounts']; tokens: Tokens }

/** Who sent the request. No credentials are anonymous; wrong ones throw, also where anonymous would do. */
export async function principalOf(
  parts: Parts,
  request: IncomingMessage,
  view: View,
): Promise<Principal> {
  const header = request.headers.authorization
  if (header === undefined) return { kind: 'actor', actor: { kind: 'anonymous' } }
  const bearer = /^bearer (\S+)$/i.exec(header)?.[1]
  if (bearer !== undefined) {
    const principal = await parts.tokens.verify(bearer)
    if (principal === undefined)
      throw new RegistryError('UNAUTHORIZED', 'the token is invalid or has expired', {
        headers: challengeHeader(view, undefined, 'invalid_token'),
      })
    return principal
  }
  const basic = basicOf(request)
  const principal = basic && (await byBasic(parts, basic))
  if (principal === undefined) throw wrongCredentials(view)
  return principal
}

export async function byBasic(
  parts: Parts,
  credentials: BasicCredentials,
): Promise<Principal | undefined> {
  if (credentials.username === engineUsername) {
    const principal = await parts.tokens.verify(credentials.password)
    return principal?.kind === 'engine' ? principal : undefined
  }
  const actor = await parts.accounts.authenticate(credentials)
  return actor && { kind: 'actor', actor }
}

export function wrongCredentials(view: View): RegistryError {
  return new RegistryError(
    'UNAUTHORIZED',
    'wrong user name or password, or the token was revoked',
    {
      headers: challengeHeader(view),
    },
  )
}
