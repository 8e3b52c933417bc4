/** Credentials → who asks. */
import { type Clock, newToken, type Random, sha256 } from '../lib/index.ts'
import type { Attempts } from './attempts.ts'
import type { Accounts, Actor, Credentials, Scope } from './index.ts'
import { check, nameProblem } from './names.ts'
import type { Passwords } from './passwords.ts'
import type { AccountStore, NewStoredToken, StoredToken, StoredUser } from './ports.ts'

/** What someone may do who gave the password itself. */
const passwordScopes: readonly Scope[] = ['api', 'global']
/** Names that say "the password is a token". */
const tokenNames = new Set(['', '_', 'oauth2', 'heroku', 'gitlab-ci-token'])
const touchEveryMs = 60_000
const sessionMs = 14 * 24 * 3_600_000
/** A session in use is prolonged when it has lost this much. */
const prolongAfterMs = 3_600_000
const maxSecretLength = 1024

type Authentication = Pick<
  Accounts,
  | 'authenticate'
  | 'createToken'
  | 'tokens'
  | 'revokeToken'
  | 'issueJobToken'
  | 'revokeJobToken'
  | 'createSession'
  | 'endSession'
>

interface Parts {
  store: AccountStore
  clock: Clock
  random: Random
  passwords: Passwords
  attempts: Attempts
}

export function createAuthentication(parts: Parts): Authentication {
  const { store, clock, random } = parts
  return {
    authenticate: credentials => authenticate(parts, credentials),
    async createToken({ userId, name, scopes, expiresAt, preset }) {
      check('token', {
        name: nameProblem(name),
        scopes: scopes.length === 0 ? "can't be blank" : undefined,
      })
      const token = preset ?? newToken(random, prefixOf(scopes))
      const stored = await store.insertToken(
        userId,
        tokenRow(clock, token, name, scopes, expiresAt),
      )
      if (stored === undefined) check('token', { token: 'has already been taken' })
      return { tokenId: stored!.id, token }
    },
    async tokens(userId) {
      const all = await store.tokens(userId)
      return all.map(({ hash: _, userId: __, ...token }) => token)
    },
    revokeToken: tokenId => store.deleteToken(tokenId),
    async issueJobToken(job) {
      const token = newToken(random, 'glcbt-')
      await store.putJobToken({ ...job, hash: sha256(token) })
      return token
    },
    revokeJobToken: jobId => store.deleteJobToken(jobId),
    async createSession(userId) {
      const id = newToken(random, '')
      const createdAt = clock.now()
      const expiresAt = createdAt + sessionMs
      await store.insertSession({ hash: sha256(id), userId, createdAt, expiresAt })
      return { id, expiresAt }
    },
    endSession: id => store.deleteSession(sha256(id)),
  }
}

/** A token's row; `token` is kept as its SHA-256 only. */
export function tokenRow(
  clock: Clock,
  token: string,
  name: string,
  scopes: Scope[],
  expiresAt?: number,
): NewStoredToken {
  return { name, scopes, hash: sha256(token), createdAt: clock.now(), expiresAt }
}

function prefixOf(scopes: readonly Scope[]): string {
  return scopes.every(scope => scope === 'global') ? 'HRKU-' : 'glpat-'
}

async function authenticate(parts: Parts, credentials: Credentials): Promise<Actor | undefined> {
  switch (credentials.kind) {
    case 'token':
      return byToken(parts, credentials.token)
    case 'session':
      return bySession(parts, credentials.id)
    case 'basic': {
      const { username, password } = credentials
      if (username.length > maxSecretLength || password.length > maxSecretLength) return undefined
      const actor = await byToken(parts, password)
      if (actor || tokenNames.has(username)) return actor
      return byPassword(parts, username, password, credentials.from)
    }
  }
}

async function byPassword(
  { store, passwords, attempts }: Parts,
  login: string,
  password: string,
  from: string | undefined,
): Promise<Actor | undefined> {
  attempts.check(login, from)
  const user = login.includes('@') ? await store.userByEmail(login) : await store.userByName(login)
  const right = await passwords.matches(user, password)
  if (!right) attempts.failed(login, from)
  return right && user ? actorOf(user, passwordScopes) : undefined
}

async function byToken(parts: Parts, token: string): Promise<Actor | undefined> {
  if (token.length === 0 || token.length > maxSecretLength) return undefined
  const hash = sha256(token)
  const personal = await parts.store.tokenByHash(hash)
  if (personal) return byPersonalToken(parts, personal)
  const job = await parts.store.jobTokenByHash(hash)
  if (job === undefined) return undefined
  const user = await parts.store.userById(job.userId)
  if (user?.state !== 'active') return undefined
  return { kind: 'job', user: publicUser(user), projectId: job.projectId, jobId: job.jobId }
}

async function byPersonalToken(
  { store, clock }: Parts,
  token: StoredToken,
): Promise<Actor | undefined> {
  const now = clock.now()
  if (token.expiresAt !== undefined && token.expiresAt <= now) return undefined
  const user = await store.userById(token.userId)
  if (user === undefined) return undefined
  if (now - (token.lastUsedAt ?? 0) >= touchEveryMs) await store.touchToken(token.id, now)
  return actorOf(user, token.scopes, token.id)
}

async function bySession({ store, clock }: Parts, id: string): Promise<Actor | undefined> {
  if (id.length > maxSecretLength) return undefined
  const session = await store.sessionByHash(sha256(id))
  const now = clock.now()
  if (session === undefined || session.expiresAt <= now) return undefined
  const user = await store.userById(session.userId)
  if (user === undefined) return undefined
  if (session.expiresAt - now < sessionMs - prolongAfterMs)
    await store.extendSession(session.hash, now + sessionMs)
  return actorOf(user, passwordScopes)
}

function actorOf(user: StoredUser, scopes: readonly Scope[], tokenId?: number): Actor | undefined {
  if (user.state !== 'active') return undefined
  return { kind: 'user', user: publicUser(user), scopes, tokenId }
}

/** Without the hash: what leaves the module. */
export function publicUser({ passwordHash: _, ...user }: StoredUser) {
  return user
}
