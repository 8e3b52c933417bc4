import { expect, test } from 'vitest'
import { Failure, manualClock, seededRandom, systemRandom } from '../lib/index.ts'
import { openStore } from '../store/index.ts'
import { type Actor, argon2Hashing, createAccounts, type PasswordHashing } from './index.ts'

/** Counts its checks; the real one is tested once, below. */
function cheapHashing(): PasswordHashing & { checks: string[] } {
  const checks: string[] = []
  return {
    checks,
    hash: async password => `hash:${password}`,
    async verify(hash, password) {
      checks.push(password)
      return hash === `hash:${password}`
    },
  }
}

async function house() {
  const store = await openStore(':memory:')
  const clock = manualClock()
  const hashing = cheapHashing()
  const accounts = createAccounts({ store: store.accounts, clock, random: seededRandom(), hashing })
  const user = (username: string) =>
    accounts.createUser({
      username,
      name: username.toUpperCase(),
      email: `${username}@example.com`,
      password: `secret of ${username}`,
    })
  return { accounts, clock, hashing, store, user }
}

const basic = (username: string, password: string) =>
  ({ kind: 'basic', username, password }) as const
const token = (value: string) => ({ kind: 'token', token: value }) as const
const full = (user: Extract<Actor, { kind: 'user' }>['user']): Actor => ({
  kind: 'user',
  user,
  scopes: ['api', 'global'],
})

test('the first start makes root with a preset token, the second changes nothing', async () => {
  const { accounts } = await house()
  const root = { password: 'a long password', token: 'preset-token', email: 'root@localhost' }
  expect(await accounts.bootstrap(root)).toBe(true)
  expect(await accounts.bootstrap({ ...root, password: 'another one' })).toBe(false)
  for (const credentials of [
    token('preset-token'),
    basic('_', 'preset-token'),
    basic('', 'preset-token'),
    basic('root', 'preset-token'),
    basic('root', 'a long password'),
    basic('ROOT@localhost', 'a long password'),
  ])
    expect(await accounts.authenticate(credentials)).toMatchObject({
      kind: 'user',
      user: { username: 'root', admin: true },
      scopes: ['api', 'global'],
    })
  for (const credentials of [
    token('a long password'),
    token(''),
    basic('root', 'another one'),
    basic('_', 'a long password'),
    basic('nobody', 'a long password'),
    basic('root', ''),
  ])
    expect(await accounts.authenticate(credentials)).toBeUndefined()
})

test('the hash never leaves', async () => {
  const { accounts, user } = await house()
  const eve = await user('eve')
  const everywhere = JSON.stringify([
    eve,
    await accounts.user('eve'),
    await accounts.user(eve.id),
    await accounts.userByUuid(eve.uuid),
    await accounts.userByEmail(eve.email),
    await accounts.users(),
    await accounts.authenticate(basic('eve', 'secret of eve')),
  ])
  expect(everywhere).not.toContain('hash')
})

test('argon2 tells the right password from a wrong one, and a broken hash matches nothing', async () => {
  const hashing = argon2Hashing()
  const hash = await hashing.hash('correct horse')
  expect(hash).toMatch(/^\$argon2id\$/)
  expect(await hashing.verify(hash, 'correct horse')).toBe(true)
  expect(await hashing.verify(hash, 'wrong horse')).toBe(false)
  expect(await hashing.verify('not a hash', 'correct horse')).toBe(false)
})

test('a right password is checked once in five minutes, and not at all after it was changed', async () => {
  const { accounts, clock, hashing, user } = await house()
  const eve = await user('eve')
  const ask = (password: string) => accounts.authenticate(basic('eve', password))
  await ask('secret of eve')
  await ask('secret of eve')
  expect(hashing.checks).toHaveLength(1)
  expect(await ask('wrong')).toBeUndefined()
  expect(await ask('wrong')).toBeUndefined()
  expect(hashing.checks).toHaveLength(3)
  clock.advance(5 * 60_000)
  await ask('secret of eve')
  expect(hashing.checks).toHaveLength(4)
  await accounts.setPassword(eve.id, 'a new secret')
  expect(await ask('secret of eve')).toBeUndefined()
  expect(await ask('a new secret')).toBeDefined()
})

test('an unknown user costs one check of a password, as a known one does', async () => {
  const { accounts, hashing, user } = await house()
  await user('eve')
  await accounts.authenticate(basic('eve', 'wrong'))
  await accounts.authenticate(basic('nobody', 'wrong'))
  expect(hashing.checks).toEqual(['wrong', 'wrong'])
})

test('tokens are told once, kept as hashes, end, and can be revoked', async () => {
  const { accounts, clock, store, user } = await house()
  const eve = await user('eve')
  const expiresAt = clock.now() + 1000
  const short = await accounts.createToken({
    userId: eve.id,
    name: 'short',
    scopes: ['api'],
    expiresAt,
  })
  const key = await accounts.createToken({ userId: eve.id, name: 'key', scopes: ['global'] })
  expect(short.token).toMatch(/^glpat-[\w-]{43}$/)
  expect(key.token).toMatch(/^HRKU-[\w-]{43}$/)
  expect(JSON.stringify(await store.accounts.tokens(eve.id))).not.toContain(short.token)
  expect(await accounts.authenticate(token(short.token))).toMatchObject({
    scopes: ['api'],
    tokenId: short.tokenId,
  })
  expect(await accounts.tokens(eve.id)).toEqual([
    {
      id: short.tokenId,
      name: 'short',
      scopes: ['api'],
      createdAt: clock.now(),
      expiresAt,
      lastUsedAt: clock.now(),
    },
    { id: key.tokenId, name: 'key', scopes: ['global'], createdAt: clock.now() },
  ])
  clock.advance(1000)
  expect(await accounts.authenticate(token(short.token))).toBeUndefined()
  expect(await accounts.authenticate(token(key.token))).toBeDefined()
  await accounts.revokeToken(key.tokenId)
  expect(await accounts.authenticate(token(key.token))).toBeUndefined()
})

test('a job acts for its user until its token is revoked', async () => {
  const { accounts, user } = await house()
  const eve = await user('eve')
  const project = await accounts.createProject({
    namespace: (await accounts.namespace('eve'))!,
    path: 'one',
    creator: eve,
  })
  const job = { jobId: 5, projectId: project.id, userId: eve.id }
  const first = await accounts.issueJobToken(job)
  const second = await accounts.issueJobToken(job)
  expect(second).toMatch(/^glcbt-/)
  expect(await accounts.authenticate(token(first))).toBeUndefined()
  const actor = await accounts.authenticate(basic('gitlab-ci-token', second))
  expect(actor).toMatchObject({
    kind: 'job',
    jobId: 5,
    projectId: project.id,
    user: { id: eve.id },
  })
  await accounts.revokeJobToken(5)
  expect(await accounts.authenticate(token(second))).toBeUndefined()
})

test('a session lasts while it is used, and ends by sign-out, by age and by a new password', async () => {
  const { accounts, clock, user } = await house()
  const eve = await user('eve')
  const day = 24 * 3_600_000
  const ask = (id: string) => accounts.authenticate({ kind: 'session', id })
  const one = await accounts.createSession(eve.id)
  clock.advance(13 * day)
  expect(await ask(one.id)).toMatchObject({ kind: 'user', user: { id: eve.id } })
  clock.advance(13 * day)
  expect(await ask(one.id)).toBeDefined()
  clock.advance(14 * day)
  expect(await ask(one.id)).toBeUndefined()
  const two = await accounts.createSession(eve.id)
  const three = await accounts.createSession(eve.id)
  await accounts.endSession(two.id)
  expect(await ask(two.id)).toBeUndefined()
  await accounts.setPassword(eve.id, 'a new secret')
  expect(await ask(three.id)).toBeUndefined()
})

test('users have names of their own, regardless of case, and share the space with groups', async () => {
  const { accounts, user } = await house()
  const eve = await user('eve')
  await accounts.ensureNamespace('company', eve)
  await expect(user('Eve')).rejects.toMatchObject({ code: 'conflict' })
  await expect(user('company')).rejects.toMatchObject({
    code: 'conflict',
    details: { username: ['has already been taken'] },
  })
  expect(await accounts.user('company')).toBeUndefined()
  const bad = { username: 'api', name: ' ', email: 'x', password: 'short' }
  await expect(accounts.createUser(bad)).rejects.toMatchObject({
    code: 'invalid',
    details: {
      username: ['is a reserved name'],
      name: ["can't be blank"],
      email: ['is invalid'],
      password: ['is too short (minimum is 8 characters)'],
    },
  })
})

test.each([
  '',
  '-a',
  'a/../b',
  'a//b',
  'heroku',
  'docker.io',
  'a b',
  'x.git',
  '../x',
  'é',
  'a/b.git',
])('no group is made at %j', async path => {
  const { accounts, user } = await house()
  const eve = await user('eve')
  await expect(accounts.ensureNamespace(path, eve)).rejects.toBeInstanceOf(Failure)
  expect(await accounts.namespaces()).toHaveLength(1)
})

test('groups are made on the way by whoever owns the parent', async () => {
  const { accounts, user } = await house()
  const [eve, bob] = [await user('eve'), await user('bob')]
  const team = await accounts.ensureNamespace('company/team', eve)
  expect(team).toMatchObject({ kind: 'group', name: 'team', fullPath: 'company/team' })
  expect(await accounts.ensureNamespace('Company/Team', eve)).toEqual(team)
  await expect(accounts.ensureNamespace('company/other', bob)).rejects.toMatchObject({
    code: 'forbidden',
  })
  await expect(accounts.ensureNamespace('eve/group', eve)).rejects.toMatchObject({
    code: 'invalid',
  })
  const namespace = (actor: Actor) =>
    accounts.may(actor, 'namespace:create_project', { kind: 'namespace', namespace: team })
  expect(await namespace(full(eve))).toBe(true)
  expect(await namespace(full(bob))).toBe(false)
})

test('projects are seen by who may read them, found regardless of case, and made once', async () => {
  const { accounts, user } = await house()
  const [eve, bob] = [await user('eve'), await user('bob')]
  const group = await accounts.ensureNamespace('pozos/team', eve)
  const make = (path: string, visibility?: 'public' | 'internal') =>
    accounts.createProject({ namespace: group, path, visibility, creator: eve })
  const list = await make('student-list')
  const open = await make('open', 'public')
  const inside = await make('inside', 'internal')
  expect(list).toMatchObject({ fullPath: 'pozos/team/student-list', visibility: 'private' })
  expect(await accounts.project('Pozos/Team/Student-List')).toEqual(list)
  await expect(make('STUDENT-LIST')).rejects.toMatchObject({ code: 'conflict' })
  await expect(make('../x')).rejects.toMatchObject({ code: 'invalid' })

  const seen = async (actor: Actor) => (await accounts.projects(actor)).map(one => one.id)
  expect(await seen(full(eve))).toEqual([list.id, open.id, inside.id])
  expect(await seen(full(bob))).toEqual([open.id, inside.id])
  expect(await seen({ kind: 'anonymous' })).toEqual([open.id])
  await accounts.setMember(list.id, bob.id, 30)
  expect(await seen(full(bob))).toEqual([list.id, open.id, inside.id])
  expect(await accounts.members(list.id)).toEqual([{ user: bob, accessLevel: 30 }])
  const resource = { kind: 'project', project: list } as const
  expect(await accounts.may(full(bob), 'project:push', resource)).toBe(true)
  expect(await accounts.may(full(bob), 'project:maintain', resource)).toBe(false)
  await accounts.setMember(list.id, bob.id, undefined)
  expect(await accounts.may(full(bob), 'project:read', resource)).toBe(false)

  const renamed = await accounts.updateProject(list.id, { name: 'List', visibility: 'public' })
  expect(renamed).toMatchObject({ name: 'List', visibility: 'public', path: 'student-list' })
  await accounts.deleteProject(list.id)
  expect(await accounts.project(list.id)).toBeUndefined()
  expect((await make('student-list')).id).toBeGreaterThan(inside.id)
})

test('a flood of sign-ins is turned away instead of queued without end', async () => {
  const store = await openStore(':memory:')
  let release = () => {}
  const open = new Promise<void>(resolve => {
    release = resolve
  })
  const hashing: PasswordHashing = {
    hash: async () => 'hash',
    verify: () => open.then(() => false),
  }
  const accounts = createAccounts({
    store: store.accounts,
    clock: manualClock(),
    random: systemRandom,
    hashing,
  })
  const turnedAway: unknown[] = []
  const tries = Array.from({ length: 300 }, async () => {
    try {
      return await accounts.authenticate(basic('eve', 'guess'))
    } catch (error) {
      turnedAway.push(error)
      release()
      return undefined
    }
  })
  expect(new Set(await Promise.all(tries))).toEqual(new Set([undefined]))
  expect(turnedAway.length).toBeGreaterThan(0)
  for (const error of turnedAway) expect(error).toMatchObject({ code: 'unavailable' })
})

test('ten wrong passwords close an account to that address for ten minutes, whether it exists or not', async () => {
  const { accounts, clock, user } = await house()
  await user('eve')
  const ask = (username: string, password: string, from: string) =>
    accounts.authenticate({ kind: 'basic', username, password, from })
  for (const name of ['eve', 'nobody']) {
    for (let tries = 0; tries < 10; tries++)
      expect(await ask(name, 'wrong', '10.0.0.1')).toBeUndefined()
    await expect(ask(name.toUpperCase(), 'secret of eve', '10.0.0.1')).rejects.toMatchObject({
      code: 'unavailable',
      details: { retryAfterSeconds: 600 },
    })
  }
  expect(await ask('eve', 'secret of eve', '10.0.0.2')).toBeDefined()
  clock.advance(10 * 60_000)
  expect(await ask('eve', 'secret of eve', '10.0.0.1')).toBeDefined()
})
