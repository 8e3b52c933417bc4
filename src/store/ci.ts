import { type Kysely, type Selectable, type SqlBool, sql, type Transaction } from 'kysely'
import type {
  ActiveJob,
  HeldJob,
  JobArtifactFile,
  JobRecord,
  JobState,
  NewJobRecord,
  PipelineRecord,
  PipelineStore,
  Snapshot,
  SnapshotChange,
  StoredPipelineFilter,
} from '../ci/index.ts'
import { createRunnerStore, createSettingStore } from './ci-settings.ts'
import {
  artifactOf,
  type CiTables,
  type JobTable,
  jobOf,
  jobRow,
  jobState,
  optional,
  pipelineOf,
  pipelineRow,
  pipelineState,
} from './ci-tables.ts'

type Db = Kysely<CiTables> | Transaction<CiTables>

const endedStates: JobState[] = ['success', 'failed', 'canceled', 'skipped']

/** All that `ci` keeps: its tables are its own. */
export function createCiStore(database: Kysely<unknown>) {
  const db = database as Kysely<CiTables>
  return { ...createPipelineStore(db), ...createSettingStore(db), ...createRunnerStore(db) }
}

function createPipelineStore(db: Kysely<CiTables>): PipelineStore {
  return {
    insertPipeline: (pipeline, jobs) => db.transaction().execute(tx => insert(tx, pipeline, jobs)),
    snapshot: id => db.transaction().execute(tx => snapshotOf(tx, id)),
    save: change => db.transaction().execute(tx => save(tx, change)),
    async pipeline(id) {
      const row = await db
        .selectFrom('ci_pipelines')
        .selectAll()
        .where('id', '=', id)
        .executeTakeFirst()
      return row && pipelineOf(row)
    },
    pipelines: (projectId, filter) =>
      db.transaction().execute(tx => pipelinePage(tx, projectId, filter)),
    async activePipelines(of) {
      let query = db.selectFrom('ci_pipelines').select('id').where('status', 'not in', endedStates)
      if (of) query = query.where('project_id', '=', of.projectId).where('ref', '=', of.ref)
      return (await query.orderBy('id').execute()).map(row => row.id)
    },
    deletePipeline: id => db.transaction().execute(tx => deletePipeline(tx, id)),

    job: id => db.transaction().execute(tx => jobWhere(tx, sql<SqlBool>`id = ${id}`)),
    jobByTokenHash: hash =>
      db.transaction().execute(tx => jobWhere(tx, sql<SqlBool>`token_hash = ${hash}`)),
    projectJobs: (projectId, filter) =>
      db.transaction().execute(tx => jobPage(tx, projectId, filter)),
    async queue() {
      const rows = await db
        .selectFrom('ci_jobs')
        .select(['project_id', 'tags', 'protected', sql<number>`min(id)`.as('id'), 'pipeline_id'])
        .where('status', '=', 'pending')
        .groupBy(['project_id', 'tags', 'protected'])
        .execute()
      return rows.map(row => ({
        jobId: row.id,
        pipelineId: row.pipeline_id,
        projectId: row.project_id,
        tags: JSON.parse(row.tags),
        protected: row.protected === 1,
      }))
    },
    async runningByProject() {
      const rows = await db
        .selectFrom('ci_jobs')
        .select(['project_id', sql<number>`count(*)`.as('running')])
        .where('status', 'in', ['running', 'canceling'])
        .groupBy('project_id')
        .execute()
      return new Map(rows.map(row => [row.project_id, row.running]))
    },
    async activeJobs(states) {
      const rows = await db
        .selectFrom('ci_jobs')
        .selectAll()
        .where('status', 'in', [...states])
        .orderBy('id')
        .execute()
      return rows.map(activeJobOf)
    },
    async heldJob(id) {
      const row = await db
        .selectFrom('ci_jobs')
        .select(['id', 'pipeline_id', 'status', 'token_hash', 'touched_at'])
        .where('id', '=', id)
        .executeTakeFirst()
      return row && heldJobOf(row)
    },
    async touchJob(id, at) {
      await db.updateTable('ci_jobs').set({ touched_at: at }).where('id', '=', id).execute()
    },
    addArtifact: (jobId, file, dotenv) =>
      db.transaction().execute(tx => addArtifact(tx, jobId, file, dotenv)),
    expireArtifacts: (now, limit) =>
      db.transaction().execute(async tx => {
        const rows = await tx
          .selectFrom('ci_artifacts')
          .select(['id', 'digest'])
          .where('expire_at', '<=', now)
          .limit(limit)
          .execute()
        await forgetArtifacts(tx, rows)
        return unreferenced(tx, rows)
      }),
    async isArtifactKnown(digest) {
      const row = await db
        .selectFrom('ci_artifacts')
        .select('id')
        .where('digest', '=', digest)
        .executeTakeFirst()
      return row !== undefined
    },
  }
}

async function insert(
  tx: Db,
  pipeline: Omit<PipelineRecord, 'id' | 'iid'>,
  jobs: readonly NewJobRecord[],
): Promise<Snapshot> {
  const counter = await tx
    .insertInto('ci_pipeline_counters')
    .values({ project_id: pipeline.projectId, pipelines: 1 })
    .onConflict(conflict =>
      conflict
        .column('project_id')
        .doUpdateSet({ pipelines: sql`ci_pipeline_counters.pipelines + 1` }),
    )
    .returning('pipelines')
    .executeTakeFirstOrThrow()
  const iid = counter.pipelines
  const { id } = await tx
    .insertInto('ci_pipelines')
    .values({ ...pipelineRow(pipeline), iid, version: 1 } as never)
    .returning('id')
    .executeTakeFirstOrThrow()
  const stored: JobRecord[] = []
  for (const job of jobs) {
    const jobId = await insertJob(tx, job, { id, protected: Number(pipeline.protected) })
    stored.push({ ...job, id: jobId, pipelineId: id })
  }
  return { pipeline: { ...pipeline, id, iid }, jobs: stored, version: 1 }
}

async function insertJob(
  tx: Db,
  job: NewJobRecord,
  pipeline: { id: number; protected: number },
): Promise<number> {
  const row = await tx
    .insertInto('ci_jobs')
    .values(jobRow(job, pipeline) as never)
    .returning('id')
    .executeTakeFirstOrThrow()
  return row.id
}

async function snapshotOf(tx: Db, id: number): Promise<Snapshot | undefined> {
  const row = await tx
    .selectFrom('ci_pipelines')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst()
  if (!row) return undefined
  const jobs = await tx
    .selectFrom('ci_jobs')
    .selectAll()
    .where('pipeline_id', '=', id)
    .orderBy('id')
    .execute()
  return { pipeline: pipelineOf(row), jobs: await withArtifacts(tx, jobs), version: row.version }
}

async function withArtifacts(tx: Db, rows: Selectable<JobTable>[]): Promise<JobRecord[]> {
  if (rows.length === 0) return []
  const ids = JSON.stringify(rows.map(row => row.id))
  const artifacts = await tx
    .selectFrom('ci_artifacts')
    .selectAll()
    .where(sql<SqlBool>`job_id in (select value from json_each(${ids}))`)
    .orderBy('id')
    .execute()
  const byJob = Map.groupBy(artifacts, artifact => artifact.job_id)
  return rows.map(row => jobOf(row, (byJob.get(row.id) ?? []).map(artifactOf)))
}

async function save(tx: Db, change: SnapshotChange): Promise<number[] | undefined> {
  const { pipeline } = change
  const updated = await tx
    .updateTable('ci_pipelines')
    .set({ ...pipelineState(pipeline), version: change.version + 1 })
    .where('id', '=', pipeline.id)
    .where('version', '=', change.version)
    .returning('protected')
    .executeTakeFirst()
  if (!updated) return undefined
  for (const job of change.changed) {
    await tx.updateTable('ci_jobs').set(jobState(job)).where('id', '=', job.id).execute()
  }
  const ids: number[] = []
  for (const { job, replaces } of change.added) {
    const id = await insertJob(tx, job, { id: pipeline.id, protected: updated.protected })
    await tx.updateTable('ci_jobs').set({ retried_by: id }).where('id', '=', replaces).execute()
    ids.push(id)
  }
  return ids
}

async function pipelinePage(tx: Db, projectId: number, filter: StoredPipelineFilter) {
  let query = tx.selectFrom('ci_pipelines').where('project_id', '=', projectId)
  if (filter.ref !== undefined) query = query.where('ref', '=', filter.ref)
  if (filter.sha !== undefined) query = query.where('sha', '=', filter.sha)
  if (filter.status !== undefined) query = query.where('status', '=', filter.status)
  if (filter.source !== undefined) query = query.where('source', '=', filter.source)
  if (filter.userId !== undefined) query = query.where('user_id', '=', filter.userId)
  if (filter.scope === 'running') query = query.where('status', 'in', ['running', 'canceling'])
  if (filter.scope === 'pending') {
    query = query.where('status', 'in', ['created', 'waiting_for_resource', 'pending'])
  }
  if (filter.scope === 'finished') query = query.where('status', 'in', endedStates)
  if (filter.scope === 'branches') query = query.where('tag', '=', 0)
  if (filter.scope === 'tags') query = query.where('tag', '=', 1)
  const rows = await query
    .selectAll()
    .orderBy('id', 'desc')
    .limit(filter.perPage)
    .offset((filter.page - 1) * filter.perPage)
    .execute()
  const { total } = await query.select(sql<number>`count(*)`.as('total')).executeTakeFirstOrThrow()
  return { items: rows.map(pipelineOf), total }
}

async function jobPage(
  tx: Db,
  projectId: number,
  filter: { status?: string[]; page: number; perPage: number },
) {
  let query = tx.selectFrom('ci_jobs').where('project_id', '=', projectId)
  if (filter.status?.length) query = query.where('status', 'in', filter.status)
  const rows = await query
    .selectAll()
    .orderBy('id', 'desc')
    .limit(filter.perPage)
    .offset((filter.page - 1) * filter.perPage)
    .execute()
  const { total } = await query.select(sql<number>`count(*)`.as('total')).executeTakeFirstOrThrow()
  return { items: await withArtifacts(tx, rows), total }
}

async function jobWhere(
  tx: Db,
  condition: ReturnType<typeof sql<SqlBool>>,
): Promise<JobRecord | undefined> {
  const rows = await tx.selectFrom('ci_jobs').selectAll().where(condition).execute()
  return (await withArtifacts(tx, rows))[0]
}

function heldJobOf(
  row: Pick<Selectable<JobTable>, 'id' | 'pipeline_id' | 'status' | 'token_hash' | 'touched_at'>,
): HeldJob {
  return {
    id: row.id,
    pipelineId: row.pipeline_id,
    status: row.status as JobState,
    tokenHash: optional(row.token_hash),
    touchedAt: optional(row.touched_at),
  }
}

function activeJobOf(row: Selectable<JobTable>): ActiveJob {
  return {
    id: row.id,
    pipelineId: row.pipeline_id,
    projectId: row.project_id,
    status: row.status as JobState,
    tags: JSON.parse(row.tags),
    protected: row.protected === 1,
    runnerId: optional(row.runner_id),
    queuedAt: optional(row.queued_at),
    scheduledAt: optional(row.scheduled_at),
    startedAt: optional(row.started_at),
    touchedAt: optional(row.touched_at),
    timeoutSeconds: optional(row.timeout_seconds),
  }
}

async function addArtifact(
  tx: Db,
  jobId: number,
  file: JobArtifactFile,
  dotenv: { key: string; value: string }[] | undefined,
): Promise<boolean> {
  const known = await tx
    .selectFrom('ci_artifacts')
    .select('digest')
    .where('job_id', '=', jobId)
    .where('type', '=', file.type)
    .executeTakeFirst()
  if (known) return known.digest === file.digest
  await tx
    .insertInto('ci_artifacts')
    .values({
      job_id: jobId,
      type: file.type,
      format: file.format,
      filename: file.filename,
      digest: file.digest,
      size_bytes: file.sizeBytes,
      expire_at: file.expireAt ?? null,
    } as never)
    .execute()
  const columns = {
    ...(dotenv && { dotenv: JSON.stringify(dotenv) }),
    ...(file.type === 'archive' && { artifacts_expire_at: file.expireAt ?? null }),
  }
  if (Object.keys(columns).length > 0) {
    await tx.updateTable('ci_jobs').set(columns).where('id', '=', jobId).execute()
  }
  return true
}

async function deletePipeline(tx: Db, id: number) {
  const jobs = await tx.selectFrom('ci_jobs').select('id').where('pipeline_id', '=', id).execute()
  const artifacts = await tx
    .selectFrom('ci_artifacts')
    .innerJoin('ci_jobs', 'ci_jobs.id', 'ci_artifacts.job_id')
    .select(['ci_artifacts.id', 'ci_artifacts.digest'])
    .where('ci_jobs.pipeline_id', '=', id)
    .execute()
  await tx.deleteFrom('ci_pipelines').where('id', '=', id).execute()
  return { jobIds: jobs.map(job => job.id), digests: await unreferenced(tx, artifacts) }
}

async function forgetArtifacts(tx: Db, rows: { id: number }[]): Promise<void> {
  for (const { id } of rows) await tx.deleteFrom('ci_artifacts').where('id', '=', id).execute()
}

async function unreferenced(tx: Db, rows: { digest: string }[]): Promise<string[]> {
  const gone: string[] = []
  for (const digest of new Set(rows.map(row => row.digest))) {
    const other = await tx
      .selectFrom('ci_artifacts')
      .select('id')
      .where('digest', '=', digest)
      .executeTakeFirst()
    if (!other) gone.push(digest)
  }
  return gone
}
