import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { jwtVerify, SignJWT } from 'jose'
import type { Actor, Credentials } from '../accounts/index.ts'
import type { Clock, Random } from '../lib/index.ts'
import { uuid } from '../lib/index.ts'
import { type Grant, type Principal, type Right, rights, serviceName } from './access.ts'
import type { RegistryOptions } from './ports.ts'

export const tokenLifetimeSeconds = 300
/** A big image takes its time. */
const engineLifetimeSeconds = 3600

type Basic = Extract<Credentials, { kind: 'basic' }>

export interface Tokens {
  /** `credentials` are what the actor showed; they are asked again at each use, unless it was a password (slow by design). */
  issue(actor: Actor, credentials: Basic | undefined, grants: readonly Grant[]): Promise<string>
  issueForEngine(repository: string): Promise<string>
  verify(token: string): Promise<Principal | undefined>
}

interface Parts {
  accounts: RegistryOptions['accounts']
  clock: Clock
  random: Random
  signingKey: Uint8Array
}

/**
 * JWTs (HS256) that say what may be done, in the `access` claim of Docker's token specification. They are proof of a
 * grant, not of who someone is: the credentials travel sealed inside and are checked at each use, so a job's token
 * ends with its job and a revoked one at once.
 */
export function createTokens(parts: Parts): Tokens {
  const keys = {
    sign: derive(parts.signingKey, 'registry token'),
    seal: derive(parts.signingKey, 'registry credentials'),
  }
  const now = () => Math.floor(parts.clock.now() / 1000)
  const sign = (claims: Record<string, unknown>, audience: string, lifetimeSeconds: number) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuer('slipway')
      .setAudience(audience)
      .setIssuedAt(now())
      .setNotBefore(now() - 5)
      .setExpirationTime(now() + lifetimeSeconds)
      .setJti(uuid(parts.random))
      .sign(keys.sign)
  return {
    issue: (actor, credentials, grants) => {
      const access = grants.map(grant => ({
        type: 'repository',
        name: grant.repository,
        actions: grant.actions,
      }))
      const isPassword = actor.kind === 'user' && actor.tokenId === undefined
      const by = isPassword
        ? { user: actor.user.id }
        : credentials && { sealed: seal(keys.seal, parts.random, credentials) }
      return sign({ access, ...(by && { by }) }, serviceName, tokenLifetimeSeconds)
    },
    issueForEngine: repository => sign({ repository }, 'engine', engineLifetimeSeconds),
    verify: async token => {
      const claims = await verifyClaims(token, keys.sign, new Date(parts.clock.now()))
      if (claims === undefined) return undefined
      if (claims['aud'] === 'engine')
        return { kind: 'engine', repository: String(claims['repository']) }
      const actor = await actorBehind(parts.accounts, keys.seal, claims['by'])
      return actor && { kind: 'token', actor, grants: grantsOf(claims['access']) }
    },
  }
}

async function verifyClaims(
  token: string,
  key: Uint8Array,
  currentDate: Date,
): Promise<Record<string, unknown> | undefined> {
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: ['HS256'],
      issuer: 'slipway',
      audience: [serviceName, 'engine'],
      currentDate,
    })
    return payload
  } catch {
    return undefined
  }
}

async function actorBehind(
  accounts: Parts['accounts'],
  key: Uint8Array,
  by: unknown,
): Promise<Actor | undefined> {
  if (by === undefined) return { kind: 'anonymous' }
  const { user: userId, sealed } = by as { user?: number; sealed?: string }
  if (sealed === undefined) {
    const user = userId === undefined ? undefined : await accounts.user(userId)
    return user && { kind: 'user', user, scopes: ['api', 'global'] }
  }
  const credentials = open(key, sealed)
  return credentials && (await accounts.authenticate({ kind: 'basic', ...credentials }))
}

function grantsOf(access: unknown): Grant[] {
  if (!Array.isArray(access)) return []
  return access.map(one => ({
    repository: String(one.name),
    actions: rights.filter((right: Right) => one.actions.includes(right)),
  }))
}

function derive(key: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, 'slipway', purpose, 32))
}

function seal(key: Uint8Array, random: Random, credentials: Basic): string {
  const { username, password } = credentials
  const nonce = random.bytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  const text = JSON.stringify({ username, password })
  const sealed = Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()])
  return sealed.toString('base64url')
}

function open(key: Uint8Array, sealed: string): Omit<Basic, 'kind'> | undefined {
  try {
    const bytes = Buffer.from(sealed, 'base64url')
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12))
    decipher.setAuthTag(bytes.subarray(-16))
    const text = Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()])
    return JSON.parse(text.toString())
  } catch {
    return undefined
  }
}
