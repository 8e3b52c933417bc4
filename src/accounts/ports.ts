/** What accounts need from a store and from a password hash. One call is one transaction. */
import type { AccessLevel, Namespace, Project, Scope, User } from './index.ts'

export interface StoredUser extends User {
  passwordHash: string
}

/** A personal token as it is kept: the token itself is never stored, only its SHA-256. */
export interface StoredToken {
  id: number
  userId: number
  name: string
  scopes: Scope[]
  hash: string
  createdAt: number
  expiresAt?: number
  lastUsedAt?: number
}

export interface StoredSession {
  /** SHA-256 of the session's id. */
  hash: string
  userId: number
  createdAt: number
  expiresAt: number
}

export interface StoredJobToken {
  hash: string
  jobId: number
  projectId: number
  userId: number
}

export type NewUser = Omit<StoredUser, 'id'>
export type NewNamespace = Omit<Namespace, 'id'>
export type NewProject = Omit<Project, 'id' | 'fullPath'>
export type NewStoredToken = Omit<StoredToken, 'id' | 'userId' | 'lastUsedAt'>
export type ProjectChange = Partial<
  Pick<Project, 'name' | 'description' | 'visibility' | 'defaultBranch'>
>

/**
 * `insert…` answer undefined when something unique is taken. Names, paths and e-mail addresses are unique and found regardless of case.
 * Ids are never used again after a deletion.
 */
export interface AccountStore {
  /** The user, its namespace, and a first token if there is one. */
  insertUser(user: NewUser, token?: NewStoredToken): Promise<User | undefined>
  /** `insertUser`, if there is no user at all. */
  insertFirstUser(user: NewUser, token?: NewStoredToken): Promise<User | undefined>
  userById(id: number): Promise<StoredUser | undefined>
  userByName(username: string): Promise<StoredUser | undefined>
  userByUuid(uuid: string): Promise<StoredUser | undefined>
  userByEmail(email: string): Promise<StoredUser | undefined>
  users(): Promise<User[]>
  /** Ends the user's sessions too. */
  setPasswordHash(userId: number, hash: string): Promise<void>

  insertToken(userId: number, token: NewStoredToken): Promise<StoredToken | undefined>
  tokenByHash(hash: string): Promise<StoredToken | undefined>
  tokens(userId: number): Promise<StoredToken[]>
  touchToken(id: number, usedAt: number): Promise<void>
  deleteToken(id: number): Promise<void>
  /** Takes the place of the job's earlier token. */
  putJobToken(token: StoredJobToken): Promise<void>
  jobTokenByHash(hash: string): Promise<StoredJobToken | undefined>
  deleteJobToken(jobId: number): Promise<void>
  /** Also forgets sessions that ended before `session.createdAt`. */
  insertSession(session: StoredSession): Promise<void>
  sessionByHash(hash: string): Promise<StoredSession | undefined>
  extendSession(hash: string, expiresAt: number): Promise<void>
  deleteSession(hash: string): Promise<void>

  insertNamespace(namespace: NewNamespace): Promise<Namespace | undefined>
  namespaceById(id: number): Promise<Namespace | undefined>
  namespaceByPath(fullPath: string): Promise<Namespace | undefined>
  namespaces(): Promise<Namespace[]>

  insertProject(project: NewProject): Promise<Project | undefined>
  projectById(id: number): Promise<Project | undefined>
  projectByPath(fullPath: string): Promise<Project | undefined>
  projects(): Promise<Project[]>
  updateProject(id: number, change: ProjectChange, at: number): Promise<Project | undefined>
  /** With its members and job tokens. */
  deleteProject(id: number): Promise<void>
  members(projectId: number): Promise<{ user: User; accessLevel: AccessLevel }[]>
  memberLevel(projectId: number, userId: number): Promise<AccessLevel | undefined>
  /** Level by project id. */
  memberships(userId: number): Promise<Map<number, AccessLevel>>
  setMember(projectId: number, userId: number, level: AccessLevel | undefined): Promise<void>
}

/** A slow, salted hash. `verify` never throws: a hash that it can't read doesn't match. */
export interface PasswordHashing {
  hash(password: string): Promise<string>
  verify(hash: string, password: string): Promise<boolean>
}
