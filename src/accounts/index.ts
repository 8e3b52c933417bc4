/**
 * Users, namespaces, projects, members, tokens, and the one function that answers "may X do Y to Z".
 */
import type { AccessLevel } from './levels.ts'

export { createAccounts } from './accounts.ts'
export { argon2Hashing } from './argon2.ts'
export { type AccessLevel, accessLevels } from './levels.ts'
export type {
  AccountStore,
  NewNamespace,
  NewProject,
  NewStoredToken,
  NewUser,
  PasswordHashing,
  ProjectChange,
  StoredJobToken,
  StoredSession,
  StoredToken,
  StoredUser,
} from './ports.ts'

export interface User {
  id: number
  uuid: string
  username: string
  name: string
  email: string
  admin: boolean
  state: 'active' | 'blocked'
  /** ms since the epoch, as every `…At` in Slipway. */
  createdAt: number
}

export interface Namespace {
  id: number
  kind: 'user' | 'group'
  name: string
  /** `pozos`, or `company/team` for a subgroup. */
  fullPath: string
  parentId?: number
  ownerId?: number
  createdAt: number
}

export type Visibility = 'private' | 'internal' | 'public'

export interface Project {
  id: number
  namespaceId: number
  name: string
  path: string
  /** `pozos/student-list` */
  fullPath: string
  description: string
  visibility: Visibility
  defaultBranch: string
  creatorId: number
  createdAt: number
  updatedAt: number
}

/** Who asks. A job acts for its user, within its project, while it runs. */
export type Actor =
  | { kind: 'anonymous' }
  | { kind: 'user'; user: User; scopes: readonly Scope[]; tokenId?: number }
  | { kind: 'job'; user: User; projectId: number; jobId: number }

export type Scope =
  | 'api'
  | 'read_api'
  | 'read_user'
  | 'read_repository'
  | 'write_repository'
  | 'read_registry'
  | 'write_registry'
  | 'global'

/** What an HTTP request carried, dialect by dialect. */
export type Credentials =
  /** Basic. The password may be a password or any token; user `_`, `oauth2`, `heroku`, `gitlab-ci-token` or empty means that it is a token. */
  | {
      kind: 'basic'
      username: string
      password: string
      /** The client's address. With it, wrong passwords are limited: `authenticate` then throws `Failure('unavailable')`. */
      from?: string
    }
  /** Bearer, PRIVATE-TOKEN, JOB-TOKEN. */
  | { kind: 'token'; token: string }
  | { kind: 'session'; id: string }

export type Action =
  | 'project:read'
  | 'project:push'
  | 'project:maintain'
  | 'project:admin'
  | 'namespace:create_project'
  | 'app:read'
  | 'app:deploy'
  | 'app:admin'
  | 'registry:pull'
  | 'registry:push'
  | 'registry:delete'
  | 'instance:admin'

export type Resource =
  | { kind: 'instance' }
  | { kind: 'namespace'; namespace: Namespace }
  | { kind: 'project'; project: Project }
  | { kind: 'app'; ownerId: number; collaboratorIds: readonly number[] }
  /** A repository of the mirror (`docker.io/library/node`): readable by everyone, written by administrators. */
  | { kind: 'mirror' }

export interface Accounts {
  /** Undefined: the credentials are wrong. Takes the same time whether the user exists or not. */
  authenticate(credentials: Credentials): Promise<Actor | undefined>
  may(actor: Actor, action: Action, resource: Resource): Promise<boolean>

  /** First start: makes `root` with this password if there is no user yet; returns whether it did. */
  bootstrap(root: { password: string; token?: string; email: string }): Promise<boolean>
  createUser(user: {
    username: string
    name: string
    email: string
    password: string
    admin?: boolean
  }): Promise<User>
  setPassword(userId: number, password: string): Promise<void>
  user(idOrName: number | string): Promise<User | undefined>
  userByUuid(uuid: string): Promise<User | undefined>
  userByEmail(email: string): Promise<User | undefined>
  users(): Promise<User[]>

  /** `tokenId` revokes it. The token itself is told once; the store keeps its SHA-256. */
  createToken(token: {
    userId: number
    name: string
    scopes: Scope[]
    expiresAt?: number
    preset?: string
  }): Promise<{ tokenId: number; token: string }>
  tokens(userId: number): Promise<
    {
      id: number
      name: string
      scopes: Scope[]
      createdAt: number
      expiresAt?: number
      lastUsedAt?: number
    }[]
  >
  revokeToken(tokenId: number): Promise<void>
  /** The token that a running job holds (`glcbt-…`). */
  issueJobToken(job: { jobId: number; projectId: number; userId: number }): Promise<string>
  revokeJobToken(jobId: number): Promise<void>
  /** A browser session; the id is a secret. */
  createSession(userId: number): Promise<{ id: string; expiresAt: number }>
  endSession(id: string): Promise<void>

  /** Makes the namespace's missing groups on the way when `mayCreate` allows. */
  ensureNamespace(fullPath: string, creator: User): Promise<Namespace>
  namespace(idOrPath: number | string): Promise<Namespace | undefined>
  namespaces(): Promise<Namespace[]>
  createProject(project: {
    namespace: Namespace
    path: string
    name?: string
    visibility?: Visibility
    description?: string
    defaultBranch?: string
    creator: User
  }): Promise<Project>
  project(idOrPath: number | string): Promise<Project | undefined>
  /** Those that the actor may read. */
  projects(actor: Actor): Promise<Project[]>
  updateProject(
    id: number,
    change: Partial<Pick<Project, 'name' | 'description' | 'visibility' | 'defaultBranch'>>,
  ): Promise<Project>
  deleteProject(id: number): Promise<void>
  members(projectId: number): Promise<{ user: User; accessLevel: AccessLevel }[]>
  setMember(projectId: number, userId: number, accessLevel: AccessLevel | undefined): Promise<void>
}
