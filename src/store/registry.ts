import { type ExpressionBuilder, type Kysely, sql, type Transaction } from 'kysely'
import type {
  BlobReference,
  RegistryStore,
  StoredManifest,
  StoredTag,
  StoredUpload,
} from '../registry/index.ts'
import type { Migration } from './migrate.ts'

interface RegistryTables {
  registry_uploads: { id: string; repository: string; user_id: number; started_at: number }
  registry_blobs: { repository: string; digest: string; size_bytes: number; linked_at: number }
  registry_manifests: {
    repository: string
    digest: string
    media_type: string
    raw: Uint8Array
    subject: string | null
    artifact_type: string | null
    annotations: string | null
    pushed_at: number
    pushed_by: number | null
    pushed_by_job: number | null
  }
  registry_references: {
    repository: string
    manifest: string
    position: number
    kind: BlobReference['kind']
    digest: string
    size_bytes: number
    media_type: string
  }
  registry_tags: {
    repository: string
    name: string
    digest: string
    updated_at: number
    checked_at: number | null
  }
}

type Db = Kysely<RegistryTables>

export const registryMigrations: readonly Migration[] = [
  {
    name: 'registry-1',
    up: [
      `create table registry_uploads (
        id text primary key, repository text not null, user_id integer not null, started_at integer not null
      ) strict, without rowid`,
      `create table registry_blobs (
        repository text not null, digest text not null, size_bytes integer not null, linked_at integer not null,
        primary key (repository, digest)
      ) strict, without rowid`,
      'create index registry_blobs_digest on registry_blobs (digest, repository)',
      `create table registry_manifests (
        repository text not null, digest text not null, media_type text not null, raw blob not null,
        subject text, artifact_type text, annotations text, pushed_at integer not null, pushed_by integer,
        primary key (repository, digest)
      ) strict`,
      'create index registry_manifests_subject on registry_manifests (repository, subject) where subject is not null',
      `create table registry_references (
        repository text not null, manifest text not null, position integer not null, kind text not null,
        digest text not null, size_bytes integer not null, media_type text not null,
        primary key (repository, manifest, position),
        foreign key (repository, manifest) references registry_manifests (repository, digest) on delete cascade
      ) strict, without rowid`,
      'create index registry_references_digest on registry_references (digest, repository)',
      `create table registry_tags (
        repository text not null, name text not null, digest text not null, updated_at integer not null, checked_at integer,
        primary key (repository, name),
        foreign key (repository, digest) references registry_manifests (repository, digest) on delete cascade
      ) strict, without rowid`,
      'create index registry_tags_digest on registry_tags (repository, digest)',
    ],
  },
  {
    name: 'registry-2',
    up: ['alter table registry_manifests add column pushed_by_job integer'],
  },
]

export function createRegistryStore(anyDb: Kysely<unknown>): RegistryStore {
  const db = anyDb as Db
  return {
    ...uploadRows(db),
    ...blobRows(db),
    ...manifestRows(db),
    ...tagRows(db),
    ...garbageRows(db),
  }
}

function uploadRows(db: Db): Pick<RegistryStore, 'saveUpload' | 'upload' | 'deleteUpload'> {
  return {
    async saveUpload({ id, repository, userId, startedAt }) {
      await db
        .insertInto('registry_uploads')
        .values({ id, repository, user_id: userId, started_at: startedAt })
        .execute()
    },
    async upload(id) {
      const row = await db
        .selectFrom('registry_uploads')
        .selectAll()
        .where('id', '=', id)
        .executeTakeFirst()
      return row && uploadOf(row)
    },
    async deleteUpload(id) {
      await db.deleteFrom('registry_uploads').where('id', '=', id).execute()
    },
  }
}

function uploadOf(row: RegistryTables['registry_uploads']): StoredUpload {
  return {
    id: row.id,
    repository: row.repository,
    userId: row.user_id,
    startedAt: row.started_at,
  }
}

function blobRows(
  db: Db,
): Pick<RegistryStore, 'linkBlob' | 'linkedBlob' | 'unlinkBlob' | 'isLinkedUnder'> {
  return {
    async linkBlob({ repository, digest, sizeBytes, linkedAt }) {
      await db
        .insertInto('registry_blobs')
        .values({ repository, digest, size_bytes: sizeBytes, linked_at: linkedAt })
        .onConflict(conflict =>
          conflict.columns(['repository', 'digest']).doUpdateSet({ linked_at: linkedAt }),
        )
        .execute()
    },
    async linkedBlob(repository, digest) {
      const row = await db
        .selectFrom('registry_blobs')
        .select('size_bytes')
        .where('repository', '=', repository)
        .where('digest', '=', digest)
        .executeTakeFirst()
      return row && { sizeBytes: row.size_bytes }
    },
    async unlinkBlob(repository, digest) {
      const result = await db
        .deleteFrom('registry_blobs')
        .where('repository', '=', repository)
        .where('digest', '=', digest)
        .executeTakeFirst()
      return result.numDeletedRows > 0n
    },
    async isLinkedUnder(prefixes, digest) {
      if (prefixes.length === 0) return false
      const row = await db
        .selectFrom('registry_blobs')
        .select('digest')
        .where('digest', '=', digest)
        .where(where => where.or(prefixes.map(prefix => startsWith(where, prefix))))
        .limit(1)
        .executeTakeFirst()
      return row !== undefined
    },
  }
}

/** `repository` begins with `prefix`, by range: no pattern characters to escape, and the index serves it. */
function startsWith(where: ExpressionBuilder<RegistryTables, 'registry_blobs'>, prefix: string) {
  return where.and([
    where('repository', '>=', prefix),
    where('repository', '<', `${prefix}\u{10ffff}`),
  ])
}

function manifestRows(
  db: Db,
): Pick<
  RegistryStore,
  'saveManifest' | 'manifest' | 'manifestByConfig' | 'deleteManifest' | 'referrers'
> {
  const complete = (row: RegistryTables['registry_manifests'] | undefined) =>
    row === undefined ? undefined : withReferences(db, row)
  return {
    saveManifest: (manifest, { tag, isComplete }) =>
      db.transaction().execute(async transaction => {
        const missing = isComplete ? await missingReferences(transaction, manifest) : []
        if (missing.length > 0) return missing
        await insertManifest(transaction, manifest)
        if (tag !== undefined) await putTag(transaction, tag)
        return []
      }),
    async manifest(repository, digest) {
      const row = await db
        .selectFrom('registry_manifests')
        .selectAll()
        .where('repository', '=', repository)
        .where('digest', '=', digest)
        .executeTakeFirst()
      return await complete(row)
    },
    async manifestByConfig(repository, configDigest) {
      const row = await db
        .selectFrom('registry_references as r')
        .innerJoin('registry_manifests as m', join =>
          join.onRef('m.repository', '=', 'r.repository').onRef('m.digest', '=', 'r.manifest'),
        )
        .selectAll('m')
        .where('r.repository', '=', repository)
        .where('r.digest', '=', configDigest)
        .where('r.kind', '=', 'config')
        .orderBy('m.pushed_at', 'desc')
        .limit(1)
        .executeTakeFirst()
      return await complete(row)
    },
    async deleteManifest(repository, digest) {
      const result = await db
        .deleteFrom('registry_manifests')
        .where('repository', '=', repository)
        .where('digest', '=', digest)
        .executeTakeFirst()
      return result.numDeletedRows > 0n
    },
    async referrers(repository, subject) {
      const rows = await db
        .selectFrom('registry_manifests')
        .selectAll()
        .where('repository', '=', repository)
        .where('subject', '=', subject)
        .orderBy('pushed_at')
        .orderBy('digest')
        .execute()
      return await Promise.all(rows.map(row => withReferences(db, row)))
    },
  }
}

async function missingReferences(
  transaction: Transaction<RegistryTables>,
  { repository, references }: StoredManifest,
): Promise<string[]> {
  const missing: string[] = []
  for (const { kind, digest } of references) {
    const table = kind === 'manifest' ? 'registry_manifests' : 'registry_blobs'
    const found = await transaction
      .selectFrom(table)
      .select('digest')
      .where('repository', '=', repository)
      .where('digest', '=', digest)
      .executeTakeFirst()
    if (found === undefined) missing.push(digest)
  }
  return missing
}

async function insertManifest(
  transaction: Transaction<RegistryTables>,
  manifest: StoredManifest,
): Promise<void> {
  const { repository, digest } = manifest
  const pushed = {
    pushed_at: manifest.pushedAt,
    pushed_by: manifest.pushedBy ?? null,
    pushed_by_job: manifest.pushedByJob ?? null,
  }
  await transaction
    .insertInto('registry_manifests')
    .values({
      repository,
      digest,
      media_type: manifest.mediaType,
      raw: manifest.raw,
      subject: manifest.subject ?? null,
      artifact_type: manifest.artifactType ?? null,
      annotations: manifest.annotations ? JSON.stringify(manifest.annotations) : null,
      ...pushed,
    })
    .onConflict(conflict => conflict.columns(['repository', 'digest']).doUpdateSet(pushed))
    .execute()
  for (const [position, reference] of manifest.references.entries())
    await transaction
      .insertInto('registry_references')
      .values({
        repository,
        manifest: digest,
        position,
        kind: reference.kind,
        digest: reference.digest,
        size_bytes: reference.sizeBytes,
        media_type: reference.mediaType,
      })
      .onConflict(conflict => conflict.doNothing())
      .execute()
}

async function withReferences(
  db: Db,
  row: RegistryTables['registry_manifests'],
): Promise<StoredManifest> {
  const references = await db
    .selectFrom('registry_references')
    .selectAll()
    .where('repository', '=', row.repository)
    .where('manifest', '=', row.digest)
    .orderBy('position')
    .execute()
  return {
    repository: row.repository,
    digest: row.digest,
    mediaType: row.media_type,
    sizeBytes: row.raw.length,
    raw: row.raw,
    references: references.map(one => ({
      kind: one.kind,
      digest: one.digest,
      sizeBytes: one.size_bytes,
      mediaType: one.media_type,
    })),
    subject: row.subject ?? undefined,
    artifactType: row.artifact_type ?? undefined,
    annotations: row.annotations === null ? undefined : JSON.parse(row.annotations),
    pushedAt: row.pushed_at,
    pushedBy: row.pushed_by ?? undefined,
    pushedByJob: row.pushed_by_job ?? undefined,
  }
}

function tagRows(
  db: Db,
): Pick<
  RegistryStore,
  'tag' | 'saveTag' | 'deleteTag' | 'tags' | 'hasRepository' | 'repositories'
> {
  return {
    async tag(repository, name) {
      const row = await db
        .selectFrom('registry_tags')
        .selectAll()
        .where('repository', '=', repository)
        .where('name', '=', name)
        .executeTakeFirst()
      return row && tagOf(row)
    },
    saveTag: tag => putTag(db, tag),
    async deleteTag(repository, name) {
      const result = await db
        .deleteFrom('registry_tags')
        .where('repository', '=', repository)
        .where('name', '=', name)
        .executeTakeFirst()
      return result.numDeletedRows > 0n
    },
    async tags(repository, { after, limit }) {
      const rows = await db
        .selectFrom('registry_tags')
        .selectAll()
        .where('repository', '=', repository)
        .where('name', '>', after ?? '')
        .orderBy('name')
        .limit(limit)
        .execute()
      return rows.map(tagOf)
    },
    async hasRepository(name) {
      const { rows } = await sql<{ found: number }>`select exists (
        select 1 from registry_manifests where repository = ${name}
        union all select 1 from registry_blobs where repository = ${name}) as found`.execute(db)
      return rows[0]?.found === 1
    },
    async repositories(page) {
      const { rows } = await listRepositories(page).execute(db)
      return rows
    },
  }
}

type GarbageRows = 'isLinked' | 'unusedLinks' | 'deleteUnusedLink' | 'untaggedManifests'

function garbageRows(db: Db): Pick<RegistryStore, GarbageRows> {
  const unused = (before: number) => sql`linked_at < ${before} and not exists (
    select 1 from registry_references r where r.repository = b.repository and r.digest = b.digest)`
  return {
    async isLinked(digest) {
      const row = await db
        .selectFrom('registry_blobs')
        .select('digest')
        .where('digest', '=', digest)
        .limit(1)
        .executeTakeFirst()
      return row !== undefined
    },
    async unusedLinks(before) {
      const { rows } = await sql<{ repository: string; digest: string; sizeBytes: number }>`
        select repository, digest, size_bytes as "sizeBytes" from registry_blobs b
        where ${unused(before)}`.execute(db)
      return rows
    },
    async deleteUnusedLink({ repository, digest }, before) {
      const result = await sql`delete from registry_blobs as b
        where repository = ${repository} and digest = ${digest} and ${unused(before)}`.execute(db)
      return (result.numAffectedRows ?? 0n) > 0n
    },
    async untaggedManifests(before) {
      const { rows } = await sql<{ repository: string; digest: string }>`
        select repository, digest from registry_manifests m
        where pushed_at < ${before}
          and not exists (select 1 from registry_tags t where t.repository = m.repository and t.digest = m.digest)
          and not exists (select 1 from registry_references r where r.repository = m.repository and r.digest = m.digest and r.kind = 'manifest')
          and not exists (select 1 from registry_manifests s where s.repository = m.repository and s.digest = m.subject)`.execute(
        db,
      )
      return rows
    },
  }
}

function listRepositories(page: { prefix: string; after?: string; limit: number }) {
  return sql<{ name: string; tags: number; sizeBytes: number; updatedAt: number }>`
    select m.repository as name,
      (select count(*) from registry_tags t where t.repository = m.repository) as tags,
      (select coalesce(sum(size_bytes), 0) from (
        select max(r.size_bytes) as size_bytes from registry_references r
        where r.repository = m.repository and r.kind <> 'manifest' group by r.digest)) as "sizeBytes",
      max(max(m.pushed_at), (select coalesce(max(t.updated_at), 0) from registry_tags t where t.repository = m.repository)) as "updatedAt"
    from registry_manifests m
    where m.repository >= ${page.prefix} and m.repository < ${`${page.prefix}\u{10ffff}`} and m.repository > ${page.after ?? ''}
    group by m.repository order by m.repository limit ${page.limit}`
}

async function putTag(db: Db, tag: StoredTag): Promise<void> {
  const { repository, name, digest } = tag
  const change = { digest, updated_at: tag.updatedAt, checked_at: tag.checkedAt ?? null }
  await db
    .insertInto('registry_tags')
    .values({ repository, name, ...change })
    .onConflict(conflict => conflict.columns(['repository', 'name']).doUpdateSet(change))
    .execute()
}

function tagOf(row: RegistryTables['registry_tags']): StoredTag {
  return {
    repository: row.repository,
    name: row.name,
    digest: row.digest,
    updatedAt: row.updated_at,
    checkedAt: row.checked_at ?? undefined,
  }
}
