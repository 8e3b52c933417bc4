import { type Insertable, type Kysely, type Selectable, sql, type Transaction } from 'kysely'
import type {
  AccessLevel,
  AccountStore,
  Namespace,
  NewStoredToken,
  NewUser,
  Project,
  Scope,
  StoredToken,
  StoredUser,
  User,
  Visibility,
} from '../accounts/index.ts'
import type { AccountTables as Tables } from './account-tables.ts'

type Db = Kysely<Tables>

export function createAccountStore(untyped: Kysely<unknown>): AccountStore {
  const db = untyped as Db
  return { ...userPart(db), ...tokenPart(db), ...namespacePart(db), ...projectPart(db) }
}

type UserPart = Pick<
  AccountStore,
  | 'insertUser'
  | 'insertFirstUser'
  | 'userById'
  | 'userByName'
  | 'userByUuid'
  | 'userByEmail'
  | 'users'
  | 'setPasswordHash'
>

function userPart(db: Db): UserPart {
  const one = async (column: 'id' | 'username' | 'uuid' | 'email', value: string | number) => {
    const row = await db
      .selectFrom('users')
      .selectAll()
      .where(column, '=', value)
      .executeTakeFirst()
    return row && storedUser(row)
  }
  const insert = (user: NewUser, token: NewStoredToken | undefined, onlyFirst: boolean) =>
    unlessTaken(() =>
      db.transaction().execute(async transaction => {
        if (onlyFirst && (await transaction.selectFrom('users').select('id').executeTakeFirst()))
          return undefined
        return insertUser(transaction, user, token)
      }),
    )
  return {
    insertUser: (user, token) => insert(user, token, false),
    insertFirstUser: (user, token) => insert(user, token, true),
    userById: id => one('id', id),
    userByName: username => one('username', username),
    userByUuid: uuid => one('uuid', uuid),
    userByEmail: email => one('email', email),
    async users() {
      const rows = await db.selectFrom('users').selectAll().orderBy('id').execute()
      return rows.map(publicUser)
    },
    async setPasswordHash(userId, hash) {
      await db.transaction().execute(async transaction => {
        const set = transaction.updateTable('users').set({ password_hash: hash })
        await set.where('id', '=', userId).execute()
        await transaction.deleteFrom('sessions').where('user_id', '=', userId).execute()
      })
    },
  }
}

async function insertUser(
  transaction: Transaction<Tables>,
  user: NewUser,
  token?: NewStoredToken,
): Promise<User> {
  const row = await transaction
    .insertInto('users')
    .values({
      ...newId,
      uuid: user.uuid,
      username: user.username,
      name: user.name,
      email: user.email,
      admin: user.admin ? 1 : 0,
      state: user.state,
      created_at: user.createdAt,
      password_hash: user.passwordHash,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  await transaction
    .insertInto('namespaces')
    .values({
      ...newId,
      kind: 'user',
      name: user.name,
      full_path: user.username,
      parent_id: null,
      owner_id: row.id,
      created_at: user.createdAt,
    })
    .execute()
  if (token) await transaction.insertInto('tokens').values(tokenRow(row.id, token)).execute()
  return publicUser(row)
}

type TokenPart = Pick<
  AccountStore,
  | 'insertToken'
  | 'tokenByHash'
  | 'tokens'
  | 'touchToken'
  | 'deleteToken'
  | 'putJobToken'
  | 'jobTokenByHash'
  | 'deleteJobToken'
  | 'insertSession'
  | 'sessionByHash'
  | 'extendSession'
  | 'deleteSession'
>

function tokenPart(db: Db): TokenPart {
  return { ...personalTokens(db), ...jobTokens(db), ...sessions(db) }
}

function personalTokens(db: Db) {
  return {
    insertToken: (userId: number, token: NewStoredToken) =>
      unlessTaken(async () => {
        const values = tokenRow(userId, token)
        return storedToken(
          await db.insertInto('tokens').values(values).returningAll().executeTakeFirstOrThrow(),
        )
      }),
    async tokenByHash(hash: string) {
      const found = db.selectFrom('tokens').selectAll().where('hash', '=', hash)
      const row = await found.executeTakeFirst()
      return row && storedToken(row)
    },
    async tokens(userId: number) {
      const found = db.selectFrom('tokens').selectAll().where('user_id', '=', userId)
      return (await found.orderBy('id').execute()).map(storedToken)
    },
    async touchToken(id: number, usedAt: number) {
      await db.updateTable('tokens').set({ last_used_at: usedAt }).where('id', '=', id).execute()
    },
    async deleteToken(id: number) {
      await db.deleteFrom('tokens').where('id', '=', id).execute()
    },
  }
}

function jobTokens(db: Db): Pick<TokenPart, 'putJobToken' | 'jobTokenByHash' | 'deleteJobToken'> {
  return {
    async putJobToken({ jobId, projectId, userId, hash }) {
      const values = { job_id: jobId, project_id: projectId, user_id: userId, hash }
      await db.replaceInto('job_tokens').values(values).execute()
    },
    async jobTokenByHash(hash) {
      const found = db.selectFrom('job_tokens').selectAll().where('hash', '=', hash)
      const row = await found.executeTakeFirst()
      return row && { hash, jobId: row.job_id, projectId: row.project_id, userId: row.user_id }
    },
    async deleteJobToken(jobId) {
      await db.deleteFrom('job_tokens').where('job_id', '=', jobId).execute()
    },
  }
}

function sessions(
  db: Db,
): Pick<TokenPart, 'insertSession' | 'sessionByHash' | 'extendSession' | 'deleteSession'> {
  return {
    async insertSession({ hash, userId, createdAt, expiresAt }) {
      const values = { hash, user_id: userId, created_at: createdAt, expires_at: expiresAt }
      await db.transaction().execute(async transaction => {
        await transaction.deleteFrom('sessions').where('expires_at', '<', createdAt).execute()
        await transaction.insertInto('sessions').values(values).execute()
      })
    },
    async sessionByHash(hash) {
      const found = db.selectFrom('sessions').selectAll().where('hash', '=', hash)
      const row = await found.executeTakeFirst()
      return (
        row && { hash, userId: row.user_id, createdAt: row.created_at, expiresAt: row.expires_at }
      )
    },
    async extendSession(hash, expiresAt) {
      const set = db.updateTable('sessions').set({ expires_at: expiresAt })
      await set.where('hash', '=', hash).execute()
    },
    async deleteSession(hash) {
      await db.deleteFrom('sessions').where('hash', '=', hash).execute()
    },
  }
}

type NamespacePart = Pick<
  AccountStore,
  'insertNamespace' | 'namespaceById' | 'namespaceByPath' | 'namespaces'
>

function namespacePart(db: Db): NamespacePart {
  const one = async (column: 'id' | 'full_path', value: string | number) => {
    const found = db.selectFrom('namespaces').selectAll().where(column, '=', value)
    const row = await found.executeTakeFirst()
    return row && namespaceOf(row)
  }
  return {
    insertNamespace: namespace =>
      unlessTaken(async () => {
        const values = {
          ...newId,
          kind: namespace.kind,
          name: namespace.name,
          full_path: namespace.fullPath,
          parent_id: namespace.parentId ?? null,
          owner_id: namespace.ownerId ?? null,
          created_at: namespace.createdAt,
        }
        const insert = db.insertInto('namespaces').values(values).returningAll()
        return namespaceOf(await insert.executeTakeFirstOrThrow())
      }),
    namespaceById: id => one('id', id),
    namespaceByPath: fullPath => one('full_path', fullPath),
    async namespaces() {
      const rows = await db.selectFrom('namespaces').selectAll().orderBy('id').execute()
      return rows.map(namespaceOf)
    },
  }
}

type ProjectPart = Pick<
  AccountStore,
  | 'insertProject'
  | 'projectById'
  | 'projectByPath'
  | 'projects'
  | 'updateProject'
  | 'deleteProject'
  | 'members'
  | 'memberLevel'
  | 'memberships'
  | 'setMember'
>

function projectPart(db: Db): ProjectPart {
  const one = async (column: 'id' | 'full_path', value: string | number) => {
    const found = db.selectFrom('projects').selectAll().where(column, '=', value)
    const row = await found.executeTakeFirst()
    return row && projectOf(row)
  }
  return {
    insertProject: project =>
      unlessTaken(async () => {
        const insert = sql<Selectable<Tables['projects']>>`
          insert into projects (namespace_id, name, path, full_path, description, visibility,
            default_branch, creator_id, created_at, updated_at)
          select id, ${project.name}, ${project.path}, full_path || '/' || ${project.path},
            ${project.description}, ${project.visibility}, ${project.defaultBranch},
            ${project.creatorId}, ${project.createdAt}, ${project.updatedAt}
          from namespaces where id = ${project.namespaceId} returning *`
        const [row] = (await insert.execute(db)).rows
        return row && projectOf(row)
      }),
    projectById: id => one('id', id),
    projectByPath: fullPath => one('full_path', fullPath),
    async projects() {
      return (await db.selectFrom('projects').selectAll().orderBy('id').execute()).map(projectOf)
    },
    async updateProject(id, change, at) {
      const set = db.updateTable('projects').set({
        ...(change.name !== undefined && { name: change.name }),
        ...(change.description !== undefined && { description: change.description }),
        ...(change.visibility !== undefined && { visibility: change.visibility }),
        ...(change.defaultBranch !== undefined && { default_branch: change.defaultBranch }),
        updated_at: at,
      })
      const row = await set.where('id', '=', id).returningAll().executeTakeFirst()
      return row && projectOf(row)
    },
    async deleteProject(id) {
      await db.deleteFrom('projects').where('id', '=', id).execute()
    },
    ...memberPart(db),
  }
}

function memberPart(
  db: Db,
): Pick<ProjectPart, 'members' | 'memberLevel' | 'memberships' | 'setMember'> {
  return {
    async members(projectId) {
      const rows = await db
        .selectFrom('members')
        .innerJoin('users', 'users.id', 'members.user_id')
        .selectAll('users')
        .select('members.level')
        .where('members.project_id', '=', projectId)
        .orderBy('users.id')
        .execute()
      return rows.map(row => ({ user: publicUser(row), accessLevel: row.level as AccessLevel }))
    },
    async memberLevel(projectId, userId) {
      const found = db.selectFrom('members').select('level').where('project_id', '=', projectId)
      const row = await found.where('user_id', '=', userId).executeTakeFirst()
      return row?.level as AccessLevel | undefined
    },
    async memberships(userId) {
      const found = db.selectFrom('members').select(['project_id', 'level'])
      const rows = await found.where('user_id', '=', userId).execute()
      return new Map(rows.map(row => [row.project_id, row.level as AccessLevel]))
    },
    async setMember(projectId, userId, level) {
      if (level !== undefined) {
        const values = { project_id: projectId, user_id: userId, level }
        await db.replaceInto('members').values(values).execute()
        return
      }
      const gone = db.deleteFrom('members').where('project_id', '=', projectId)
      await gone.where('user_id', '=', userId).execute()
    },
  }
}

/** SQLite gives the next id for a null. */
const newId = { id: null as unknown as number }

function tokenRow(userId: number, token: NewStoredToken): Insertable<Tables['tokens']> {
  return {
    ...newId,
    user_id: userId,
    name: token.name,
    scopes: token.scopes.join(' '),
    hash: token.hash,
    created_at: token.createdAt,
    expires_at: token.expiresAt ?? null,
    last_used_at: null,
  }
}

function storedToken(row: Selectable<Tables['tokens']>): StoredToken {
  return {
    id: row.id,
    userId: row.user_id,
    name: row.name,
    scopes: row.scopes.split(' ') as Scope[],
    hash: row.hash,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    lastUsedAt: row.last_used_at ?? undefined,
  }
}

function publicUser(row: Selectable<Tables['users']>): User {
  return {
    id: row.id,
    uuid: row.uuid,
    username: row.username,
    name: row.name,
    email: row.email,
    admin: row.admin === 1,
    state: row.state as User['state'],
    createdAt: row.created_at,
  }
}

function storedUser(row: Selectable<Tables['users']>): StoredUser {
  return { ...publicUser(row), passwordHash: row.password_hash }
}

function namespaceOf(row: Selectable<Tables['namespaces']>): Namespace {
  return {
    id: row.id,
    kind: row.kind as Namespace['kind'],
    name: row.name,
    fullPath: row.full_path,
    parentId: row.parent_id ?? undefined,
    ownerId: row.owner_id ?? undefined,
    createdAt: row.created_at,
  }
}

function projectOf(row: Selectable<Tables['projects']>): Project {
  return {
    id: row.id,
    namespaceId: row.namespace_id,
    name: row.name,
    path: row.path,
    fullPath: row.full_path,
    description: row.description,
    visibility: row.visibility as Visibility,
    defaultBranch: row.default_branch,
    creatorId: row.creator_id,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

const sqliteConstraintUnique = 2067
const sqliteConstraintPrimaryKey = 1555

/** Undefined when a unique column has that value already. */
async function unlessTaken<T>(insert: () => Promise<T>): Promise<T | undefined> {
  try {
    return await insert()
  } catch (error) {
    const code = (error as { errcode?: number }).errcode
    if (code === sqliteConstraintUnique || code === sqliteConstraintPrimaryKey) return undefined
    throw error
  }
}
