import { type Kysely, type Selectable, sql, type Transaction } from 'kysely'
import type { App, AppStore, Formation, NewRelease, Release } from '../apps/index.ts'
import type { Migration } from './migrate.ts'

interface Tables {
  apps: {
    id: string
    name: string
    owner_id: number
    maintenance: number
    config: string
    current_release_id: string | null
    created_at: number
    updated_at: number
    released_at: number | null
  }
  app_collaborators: { app_id: string; user_id: number }
  app_formation: {
    id: string
    app_id: string
    type: string
    quantity: number
    size: string
    command: string | null
    created_at: number
    updated_at: number
  }
  app_releases: {
    id: string
    app_id: string
    version: number
    description: string
    status: string
    failure: string | null
    user_id: number
    images: string
    config: string
    origin: string | null
    created_at: number
    updated_at: number
  }
  app_log_cursors: { container_id: string; app_id: string; at: number }
}

export const appMigrations: readonly Migration[] = [
  {
    name: 'apps-1',
    up: [
      `create table apps (
        id text primary key, name text not null unique, owner_id integer not null,
        maintenance integer not null, config text not null, current_release_id text,
        created_at integer not null, updated_at integer not null, released_at integer) strict`,
      `create table app_collaborators (
        app_id text not null references apps (id) on delete cascade, user_id integer not null,
        primary key (app_id, user_id)) strict, without rowid`,
      `create table app_formation (
        id text not null unique, app_id text not null references apps (id) on delete cascade,
        type text not null, quantity integer not null, size text not null, command text,
        created_at integer not null, updated_at integer not null,
        primary key (app_id, type)) strict`,
      `create table app_releases (
        id text primary key, app_id text not null references apps (id) on delete cascade,
        version integer not null, description text not null, status text not null, failure text,
        user_id integer not null, images text not null, config text not null, origin text,
        created_at integer not null, updated_at integer not null, unique (app_id, version)) strict`,
      `create index app_releases_pending on app_releases (app_id, version) where status = 'pending'`,
      `create table app_log_cursors (
        container_id text primary key, app_id text not null references apps (id) on delete cascade,
        at real not null) strict, without rowid`,
    ],
  },
]

type Db = Kysely<Tables>

export function createAppsStore(untyped: Kysely<unknown>): AppStore {
  const db = untyped as Db
  return { ...appPart(db), ...formationPart(db), ...releasePart(db), ...cursorPart(db) }
}

type AppPart = Pick<
  AppStore,
  | 'insertApp'
  | 'app'
  | 'apps'
  | 'updateApp'
  | 'deleteApp'
  | 'collaborators'
  | 'setCollaborator'
  | 'config'
>

function appPart(db: Db): AppPart {
  return {
    insertApp: (app, first) =>
      db.transaction().execute(async transaction => {
        const { numInsertedOrUpdatedRows } = await transaction
          .insertInto('apps')
          .values({
            id: app.id,
            name: app.name,
            owner_id: app.ownerId,
            maintenance: app.maintenance ? 1 : 0,
            config: '{}',
            current_release_id: first.id,
            created_at: app.createdAt,
            updated_at: app.updatedAt,
            released_at: null,
          })
          .onConflict(conflict => conflict.column('name').doNothing())
          .executeTakeFirst()
        if (numInsertedOrUpdatedRows === 0n) return false
        await insertRelease(transaction, first)
        return true
      }),
    async app(nameOrId) {
      const row = await db
        .selectFrom('apps')
        .selectAll()
        .where(where => where.or([where('id', '=', nameOrId), where('name', '=', nameOrId)]))
        .executeTakeFirst()
      return row && toApp(row)
    },
    async apps() {
      return (await db.selectFrom('apps').selectAll().orderBy('name').execute()).map(toApp)
    },
    updateApp: (id, change) =>
      db.transaction().execute(async transaction => {
        if (change.name !== undefined) {
          const other = await transaction
            .selectFrom('apps')
            .select('id')
            .where('name', '=', change.name)
            .where('id', '!=', id)
            .executeTakeFirst()
          if (other) return false
        }
        await transaction
          .updateTable('apps')
          .set({
            updated_at: change.updatedAt,
            ...(change.name !== undefined && { name: change.name }),
            ...(change.maintenance !== undefined && { maintenance: change.maintenance ? 1 : 0 }),
          })
          .where('id', '=', id)
          .execute()
        return true
      }),
    async deleteApp(id) {
      await db.deleteFrom('apps').where('id', '=', id).execute()
    },
    async collaborators(appId) {
      const rows = await db
        .selectFrom('app_collaborators')
        .select('user_id')
        .where('app_id', '=', appId)
        .orderBy('user_id')
        .execute()
      return rows.map(row => row.user_id)
    },
    async setCollaborator(appId, userId, present) {
      if (present)
        await db
          .insertInto('app_collaborators')
          .values({ app_id: appId, user_id: userId })
          .onConflict(conflict => conflict.doNothing())
          .execute()
      else
        await db
          .deleteFrom('app_collaborators')
          .where('app_id', '=', appId)
          .where('user_id', '=', userId)
          .execute()
    },
    async config(appId) {
      const row = await db
        .selectFrom('apps')
        .select('config')
        .where('id', '=', appId)
        .executeTakeFirst()
      return row ? JSON.parse(row.config) : {}
    },
  }
}

function formationPart(db: Db): Pick<AppStore, 'formation' | 'putFormation'> {
  return {
    async formation(appId) {
      const rows = await db
        .selectFrom('app_formation')
        .selectAll()
        .where('app_id', '=', appId)
        .orderBy('created_at')
        .orderBy(sql`rowid`)
        .execute()
      return rows.map(row => ({
        id: row.id,
        type: row.type,
        quantity: row.quantity,
        size: row.size,
        ...(row.command !== null && { command: row.command }),
        createdAt: row.created_at,
        updatedAt: row.updated_at,
      }))
    },
    putFormation: (appId, rows) =>
      db.transaction().execute(transaction => putRows(transaction, appId, rows)),
  }
}

async function putRows(
  db: Transaction<Tables>,
  appId: string,
  rows: readonly Formation[],
): Promise<void> {
  for (const row of rows) {
    const values = {
      quantity: row.quantity,
      size: row.size,
      command: row.command ?? null,
      updated_at: row.updatedAt,
    }
    await db
      .insertInto('app_formation')
      .values({
        ...values,
        id: row.id,
        app_id: appId,
        type: row.type,
        created_at: row.createdAt,
      })
      .onConflict(conflict => conflict.columns(['app_id', 'type']).doUpdateSet(values))
      .execute()
  }
}

type ReleasePart = Pick<
  AppStore,
  'releases' | 'release' | 'releaseById' | 'recordRelease' | 'settleRelease' | 'pendingReleases'
>

function releasePart(db: Db): ReleasePart {
  const select = () =>
    db
      .selectFrom('app_releases')
      .innerJoin('apps', 'apps.id', 'app_releases.app_id')
      .selectAll('app_releases')
      .select('apps.current_release_id')
      .orderBy('version')
  return {
    async releases(appId) {
      return (await select().where('app_id', '=', appId).execute()).map(toRelease)
    },
    async release(appId, idOrVersion) {
      const row = await select()
        .where('app_id', '=', appId)
        .where(
          typeof idOrVersion === 'number' ? 'version' : 'app_releases.id',
          '=',
          idOrVersion as never,
        )
        .executeTakeFirst()
      return row && toRelease(row)
    },
    async releaseById(id) {
      const row = await select().where('app_releases.id', '=', id).executeTakeFirst()
      return row && toRelease(row)
    },
    recordRelease: release => db.transaction().execute(transaction => record(transaction, release)),
    settleRelease: (id, end) =>
      db.transaction().execute(async transaction => {
        const row = await transaction
          .updateTable('app_releases')
          .set({ status: end.status, failure: end.failure ?? null, updated_at: end.at })
          .where('id', '=', id)
          .where('status', '=', 'pending')
          .returning('app_id')
          .executeTakeFirst()
        if (!row) return false
        if (end.current)
          await transaction
            .updateTable('apps')
            .set({ current_release_id: id, released_at: end.at })
            .where('id', '=', row.app_id)
            .execute()
        return true
      }),
    async pendingReleases(appId) {
      const rows = await select()
        .where('app_id', '=', appId)
        .where('status', '=', 'pending')
        .execute()
      return rows.map(toRelease)
    },
  }
}

async function record(db: Transaction<Tables>, release: NewRelease): Promise<Release> {
  const newest = await db
    .selectFrom('app_releases')
    .select(max => max.fn.max('version').as('version'))
    .where('app_id', '=', release.appId)
    .executeTakeFirst()
  const recorded: Release = {
    id: release.id,
    appId: release.appId,
    version: Number(newest?.version ?? 0) + 1,
    description: release.description,
    status: release.status,
    userId: release.userId,
    images: release.images,
    config: release.config,
    ...(release.origin && { origin: release.origin }),
    current: release.status === 'succeeded',
    createdAt: release.at,
    updatedAt: release.at,
  }
  await insertRelease(db, recorded)
  await db
    .updateTable('apps')
    .set({
      config: JSON.stringify(release.config),
      updated_at: release.at,
      ...(recorded.current && { current_release_id: release.id, released_at: release.at }),
    })
    .where('id', '=', release.appId)
    .execute()
  await putRows(db, release.appId, release.formation ?? [])
  if (release.removedTypes?.length)
    await db
      .deleteFrom('app_formation')
      .where('app_id', '=', release.appId)
      .where('type', 'in', [...release.removedTypes])
      .execute()
  return recorded
}

async function insertRelease(db: Transaction<Tables>, release: Release): Promise<void> {
  await db
    .insertInto('app_releases')
    .values({
      id: release.id,
      app_id: release.appId,
      version: release.version,
      description: release.description,
      status: release.status,
      failure: release.failure ?? null,
      user_id: release.userId,
      images: JSON.stringify(release.images),
      config: JSON.stringify(release.config),
      origin: release.origin ? JSON.stringify(release.origin) : null,
      created_at: release.createdAt,
      updated_at: release.updatedAt,
    })
    .execute()
}

function cursorPart(db: Db): Pick<AppStore, 'logCursor' | 'saveLogCursor' | 'deleteLogCursor'> {
  return {
    async logCursor(containerId) {
      const row = await db
        .selectFrom('app_log_cursors')
        .select('at')
        .where('container_id', '=', containerId)
        .executeTakeFirst()
      return row?.at
    },
    async saveLogCursor({ containerId, appId, at }) {
      await db
        .insertInto('app_log_cursors')
        .values({ container_id: containerId, app_id: appId, at })
        .onConflict(conflict => conflict.column('container_id').doUpdateSet({ at }))
        .execute()
    },
    async deleteLogCursor(containerId) {
      await db.deleteFrom('app_log_cursors').where('container_id', '=', containerId).execute()
    },
  }
}

function toApp(row: Selectable<Tables['apps']>): App {
  return {
    id: row.id,
    name: row.name,
    ownerId: row.owner_id,
    maintenance: row.maintenance === 1,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    ...(row.released_at !== null && { releasedAt: row.released_at }),
  }
}

function toRelease(
  row: Selectable<Tables['app_releases']> & { current_release_id: string | null },
): Release {
  return {
    id: row.id,
    appId: row.app_id,
    version: row.version,
    description: row.description,
    status: row.status as Release['status'],
    ...(row.failure !== null && { failure: row.failure }),
    userId: row.user_id,
    images: JSON.parse(row.images),
    config: JSON.parse(row.config),
    ...(row.origin !== null && { origin: JSON.parse(row.origin) }),
    current: row.current_release_id === row.id,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
