import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Action, Actor, Scope, User } from './index.ts'
import { decide, type Standing } from './may.ts'

const user: User = {
  id: 7,
  uuid: 'u',
  username: 'eve',
  name: 'Eve',
  email: 'eve@example.com',
  admin: false,
  state: 'active',
  createdAt: 0,
}
const allScopes: Scope[] = [
  'api',
  'read_api',
  'read_user',
  'read_repository',
  'write_repository',
  'read_registry',
  'write_registry',
  'global',
]
const allActions: Action[] = [
  'project:read',
  'project:push',
  'project:maintain',
  'project:admin',
  'namespace:create_project',
  'app:read',
  'app:deploy',
  'app:admin',
  'registry:pull',
  'registry:push',
  'registry:delete',
  'instance:admin',
]
const levels = [0, 10, 20, 30, 40, 50] as const
const standings: Standing[] = [
  { kind: 'instance' },
  { kind: 'mirror' },
  { kind: 'namespace', owned: true },
  { kind: 'namespace', owned: false },
  ...(['private', 'internal', 'public'] as const).flatMap(visibility =>
    levels.map(level => ({ kind: 'project' as const, projectId: 1, visibility, level })),
  ),
  { kind: 'app', role: 'owner' },
  { kind: 'app', role: 'collaborator' },
  { kind: 'app', role: 'stranger' },
]

function asking(scopes: Scope[], admin = false): Actor {
  return { kind: 'user', user: { ...user, admin }, scopes }
}

function allowed(actor: Actor, standing: Standing): string {
  return allActions.filter(action => decide(actor, action, standing)).join(' ')
}

function project(visibility: 'private' | 'internal' | 'public', level: (typeof levels)[number]) {
  return { kind: 'project', projectId: 1, visibility, level } as const
}

const read = 'project:read registry:pull'
const write = 'project:read project:push registry:pull registry:push registry:delete'
const maintain =
  'project:read project:push project:maintain registry:pull registry:push registry:delete'
const own =
  'project:read project:push project:maintain project:admin registry:pull registry:push registry:delete'

test.each([
  ['private', 0, ''],
  ['private', 10, ''],
  ['private', 20, read],
  ['private', 30, write],
  ['private', 40, maintain],
  ['private', 50, own],
  ['internal', 0, read],
  ['internal', 10, read],
  ['internal', 30, write],
  ['public', 0, read],
  ['public', 20, read],
  ['public', 50, own],
] as const)('a user in a %s project at level %i may: %s', (visibility, level, expected) => {
  expect(allowed(asking(['api']), project(visibility, level))).toBe(expected)
})

test.each([
  ['private', ''],
  ['internal', ''],
  ['public', read],
] as const)('nobody in particular in a %s project may: %s', (visibility, expected) => {
  expect(allowed({ kind: 'anonymous' }, project(visibility, 0))).toBe(expected)
})

test.each([
  ['owner', 'app:read app:deploy app:admin registry:pull registry:push registry:delete'],
  ['collaborator', 'app:read app:deploy registry:pull registry:push'],
  ['stranger', ''],
] as const)('the %s of an app may: %s', (role, expected) => {
  expect(allowed(asking(['global']), { kind: 'app', role })).toBe(expected)
})

test.each([
  ['api', own, 'app:read app:deploy app:admin registry:pull registry:push registry:delete'],
  ['read_api', read, 'app:read registry:pull'],
  ['read_user', '', ''],
  ['read_repository', 'project:read', ''],
  ['write_repository', 'project:read project:push', ''],
  ['read_registry', 'registry:pull', 'registry:pull'],
  ['write_registry', 'registry:pull registry:push', 'registry:pull registry:push'],
  ['global', '', 'app:read app:deploy app:admin registry:pull registry:push registry:delete'],
] as const)(
  'scope %s opens of an own project: %s; of an own app: %s',
  (scope, ofProject, ofApp) => {
    expect(allowed(asking([scope]), project('private', 50))).toBe(ofProject)
    expect(allowed(asking([scope]), { kind: 'app', role: 'owner' })).toBe(ofApp)
  },
)

test('the mirror is read by everyone and written by administrators', () => {
  const mirror: Standing = { kind: 'mirror' }
  expect(allowed({ kind: 'anonymous' }, mirror)).toBe('registry:pull')
  expect(allowed(asking(['api']), mirror)).toBe('registry:pull')
  expect(allowed(asking(['global'], true), mirror)).toBe('registry:pull')
  expect(allowed(asking(['api'], true), mirror)).toBe('registry:pull registry:push registry:delete')
})

test('only an administrator with the api scope runs the instance', () => {
  expect(allowed(asking(['api']), { kind: 'instance' })).toBe('')
  expect(allowed(asking(['read_api', 'global'], true), { kind: 'instance' })).toBe('')
  expect(allowed(asking(['api'], true), { kind: 'instance' })).toBe('instance:admin')
})

test('a job reads and pushes images in its own project only, as far as its user may', () => {
  const job: Actor = { kind: 'job', user, projectId: 1, jobId: 5 }
  const other = { ...job, projectId: 2 }
  expect(allowed(job, project('private', 30))).toBe('project:read registry:pull registry:push')
  expect(allowed(job, project('private', 20))).toBe(read)
  expect(allowed(job, project('private', 0))).toBe('')
  expect(allowed(other, project('private', 50))).toBe('')
  expect(allowed(other, project('internal', 50))).toBe('')
  expect(allowed(other, project('public', 50))).toBe(read)
  expect(allowed(job, { kind: 'app', role: 'owner' })).toBe('')
  expect(allowed(job, { kind: 'namespace', owned: true })).toBe('')
  const root: Actor = { ...job, user: { ...user, admin: true } }
  expect(allowed(root, project('private', 0))).toBe('project:read registry:pull registry:push')
  expect(allowed(root, { kind: 'instance' })).toBe('')
})

const anyStanding = fc.constantFrom(...standings)
const anyAction = fc.constantFrom(...allActions)
const anyScopes = fc.subarray(allScopes)

test('a blocked user may what everybody may, whatever the scopes and levels', () => {
  fc.assert(
    fc.property(
      anyStanding,
      anyAction,
      anyScopes,
      fc.boolean(),
      (standing, action, scopes, admin) => {
        const blocked = { ...user, admin, state: 'blocked' as const }
        const may = decide({ kind: 'user', user: blocked, scopes }, action, standing)
        expect(may).toBe(decide({ kind: 'anonymous' }, action, standing))
      },
    ),
  )
})

test('more scopes, a higher level or being an administrator never take a right away', () => {
  fc.assert(
    fc.property(anyStanding, anyAction, anyScopes, anyScopes, (standing, action, some, more) => {
      const before = decide(asking(some), action, standing)
      expect(decide(asking([...some, ...more]), action, standing) || !before).toBe(true)
      expect(decide(asking(some, true), action, standing) || !before).toBe(true)
      if (standing.kind !== 'project') return
      expect(decide(asking(some), action, { ...standing, level: 50 }) || !before).toBe(true)
    }),
  )
})

test('a token never gives more than its user has with all scopes, and no one less than anonymous', () => {
  fc.assert(
    fc.property(anyStanding, anyAction, anyScopes, (standing, action, scopes) => {
      const may = decide(asking(scopes), action, standing)
      if (may) expect(decide(asking(allScopes), action, standing)).toBe(true)
      if (decide({ kind: 'anonymous' }, action, standing)) expect(may).toBe(true)
    }),
  )
})
