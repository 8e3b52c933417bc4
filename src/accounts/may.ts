/** The whole of authorization: who may do what, as tables and one pure function over facts that were looked up before. */
import type { Action, Actor, Scope, Visibility } from './index.ts'
import { type AccessLevel, accessLevels } from './levels.ts'

/** A resource as seen by the one who asks. */
export type Standing =
  | { kind: 'instance' }
  | { kind: 'mirror' }
  /** `owned`: by the asker, itself or through a parent group. */
  | { kind: 'namespace'; owned: boolean }
  /** `level`: the asker's highest, by membership or ownership; 0 is a stranger. */
  | { kind: 'project'; projectId: number; visibility: Visibility; level: AccessLevel | 0 }
  | { kind: 'app'; role: 'owner' | 'collaborator' | 'stranger' }

type Kind = Standing['kind']
type Table = Partial<Record<Action, unknown>>

/** The least level that does it on a project. */
const projectLevels: Partial<Record<Action, AccessLevel>> = {
  'project:read': accessLevels.reporter,
  'project:push': accessLevels.developer,
  'project:maintain': accessLevels.maintainer,
  'project:admin': accessLevels.owner,
  'registry:pull': accessLevels.reporter,
  'registry:push': accessLevels.developer,
  'registry:delete': accessLevels.developer,
}

const appRoles: Partial<Record<Action, readonly ('owner' | 'collaborator')[]>> = {
  'app:read': ['owner', 'collaborator'],
  'app:deploy': ['owner', 'collaborator'],
  'app:admin': ['owner'],
  'registry:pull': ['owner', 'collaborator'],
  'registry:push': ['owner', 'collaborator'],
  'registry:delete': ['owner'],
}

/** Actions that exist on a kind of resource; any other is refused for everyone. */
const known: Record<Kind, Table> = {
  instance: { 'instance:admin': true },
  mirror: { 'registry:pull': true, 'registry:push': true, 'registry:delete': true },
  namespace: { 'namespace:create_project': true },
  project: projectLevels,
  app: appRoles,
}

/** What everybody may do to a public project, and every user to an internal one. */
const openActions: readonly Action[] = ['project:read', 'registry:pull']

/** What a token's scope lets through; a scope never gives what its user may not. */
const scopeGrants: Record<Scope, 'all' | Partial<Record<Kind, readonly Action[] | 'all'>>> = {
  api: 'all',
  read_api: {
    project: ['project:read', 'registry:pull'],
    app: ['app:read', 'registry:pull'],
    mirror: ['registry:pull'],
  },
  read_user: {},
  read_repository: { project: ['project:read'] },
  write_repository: {
    project: ['project:read', 'project:push'],
    namespace: ['namespace:create_project'],
  },
  read_registry: {
    project: ['registry:pull'],
    app: ['registry:pull'],
    mirror: ['registry:pull'],
  },
  write_registry: {
    project: ['registry:pull', 'registry:push'],
    app: ['registry:pull', 'registry:push'],
    mirror: ['registry:pull', 'registry:push'],
  },
  global: { app: 'all' },
}

/** A job's rights in its own project. Applications are reached by an API key, never by the job's token. */
const jobActions: readonly Action[] = ['project:read', 'registry:pull', 'registry:push']

export function decide(actor: Actor, action: Action, standing: Standing): boolean {
  if (!(action in known[standing.kind])) return false
  if (isOpenToAll(action, standing)) return true
  if (actor.kind === 'anonymous' || actor.user.state !== 'active') return false
  if (actor.kind === 'job') return jobMay(actor.projectId, actor.user.admin, action, standing)
  if (!actor.scopes.some(scope => grants(scope, action, standing.kind))) return false
  return userMay(actor.user.admin, action, standing)
}

function isOpenToAll(action: Action, standing: Standing): boolean {
  if (standing.kind === 'mirror') return action === 'registry:pull'
  if (standing.kind !== 'project') return false
  return standing.visibility === 'public' && openActions.includes(action)
}

function jobMay(projectId: number, admin: boolean, action: Action, standing: Standing): boolean {
  if (standing.kind !== 'project' || standing.projectId !== projectId) return false
  return jobActions.includes(action) && userMay(admin, action, standing)
}

function grants(scope: Scope, action: Action, kind: Kind): boolean {
  const byKind = scopeGrants[scope]
  if (byKind === 'all') return true
  const actions = byKind[kind]
  return actions === 'all' || (actions?.includes(action) ?? false)
}

function userMay(admin: boolean, action: Action, standing: Standing): boolean {
  if (admin) return true
  switch (standing.kind) {
    case 'instance':
    case 'mirror':
      return false
    case 'namespace':
      return standing.owned
    case 'project':
      if (standing.visibility === 'internal' && openActions.includes(action)) return true
      return standing.level >= (projectLevels[action] ?? Number.POSITIVE_INFINITY)
    case 'app':
      return standing.role !== 'stranger' && (appRoles[action]?.includes(standing.role) ?? false)
  }
}
