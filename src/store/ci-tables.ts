/** Tables of `ci`, and what a row says. */
import type { Insertable, Selectable } from 'kysely'
import type {
  Job,
  JobArtifactFile,
  JobRecord,
  JobState,
  NewJobRecord,
  Pipeline,
  PipelineRecord,
  PipelineSource,
} from '../ci/index.ts'
import type { Migration } from './migrate.ts'

export interface PipelineTable {
  id: number
  iid: number
  project_id: number
  ref: string
  tag: number
  sha: string
  before_sha: string
  source: string
  status: string
  user_id: number
  name: string | null
  protected: number
  created_at: number
  updated_at: number
  started_at: number | null
  finished_at: number | null
  version: number
  problems: string
  plan: string
  variables: string
  commit_facts: string
}

export interface JobTable {
  id: number
  pipeline_id: number
  project_id: number
  user_id: number
  name: string
  stage: string
  status: string
  tags: string
  protected: number
  attempt: number
  retried_by: number | null
  runner_id: number | null
  failure_reason: string | null
  exit_code: number | null
  coverage: number | null
  created_at: number
  queued_at: number | null
  scheduled_at: number | null
  started_at: number | null
  touched_at: number | null
  finished_at: number | null
  erased_at: number | null
  token_hash: string | null
  system_id: string | null
  timeout_seconds: number | null
  cancels_gracefully: number | null
  play_variables: string
  artifacts_expire_at: number | null
  dotenv: string
  plan: string
}

export interface ArtifactTable {
  id: number
  job_id: number
  type: string
  format: string
  filename: string
  digest: string
  size_bytes: number
  expire_at: number | null
}

export interface VariableTable {
  project_id: number
  key: string
  environment_scope: string
  value: string
  type: string
  protected: number
  masked: number
  hidden: number
  raw: number
  description: string | null
}

export interface RunnerTable {
  id: number
  token_hash: string
  description: string
  tags: string
  run_untagged: number
  protected_only: number
  paused: number
  project_id: number | null
  maximum_timeout_seconds: number | null
  in_process: number
  created_at: number
  contacted_at: number | null
}

export interface ManagerTable {
  runner_id: number
  system_id: string
  info: string
  contacted_at: number
}

export interface CiTables {
  ci_pipelines: PipelineTable
  ci_pipeline_counters: { project_id: number; pipelines: number }
  ci_jobs: JobTable
  ci_artifacts: ArtifactTable
  ci_variables: VariableTable
  ci_runners: RunnerTable
  ci_runner_managers: ManagerTable
}

export const ciMigrations: Migration[] = [
  {
    name: 'ci-1',
    up: [
      `create table ci_pipelines (
        id integer primary key autoincrement, iid integer not null, project_id integer not null,
        ref text not null, tag integer not null, sha text not null, before_sha text not null,
        source text not null, status text not null, user_id integer not null, name text,
        protected integer not null, created_at integer not null, updated_at integer not null,
        started_at integer, finished_at integer, version integer not null default 1,
        problems text not null, plan text not null, variables text not null, commit_facts text not null,
        unique (project_id, iid))`,
      'create index ci_pipelines_by_ref on ci_pipelines (project_id, ref, status)',
      'create index ci_pipelines_by_status on ci_pipelines (status)',
      'create table ci_pipeline_counters (project_id integer primary key, pipelines integer not null)',
      `create table ci_jobs (
        id integer primary key autoincrement,
        pipeline_id integer not null references ci_pipelines (id) on delete cascade,
        project_id integer not null, user_id integer not null, name text not null, stage text not null,
        status text not null, tags text not null, protected integer not null, attempt integer not null,
        retried_by integer, runner_id integer, failure_reason text, exit_code integer, coverage real,
        created_at integer not null, queued_at integer, scheduled_at integer, started_at integer,
        touched_at integer, finished_at integer, erased_at integer, token_hash text, system_id text,
        timeout_seconds integer, cancels_gracefully integer, play_variables text not null,
        artifacts_expire_at integer, dotenv text not null, plan text not null)`,
      'create index ci_jobs_by_pipeline on ci_jobs (pipeline_id)',
      'create index ci_jobs_by_project on ci_jobs (project_id, status)',
      'create index ci_jobs_queue on ci_jobs (status, project_id, tags, protected)',
      'create unique index ci_jobs_by_token on ci_jobs (token_hash) where token_hash is not null',
      `create table ci_artifacts (
        id integer primary key autoincrement,
        job_id integer not null references ci_jobs (id) on delete cascade,
        type text not null, format text not null, filename text not null, digest text not null,
        size_bytes integer not null, expire_at integer, unique (job_id, type))`,
      'create index ci_artifacts_by_digest on ci_artifacts (digest)',
      'create index ci_artifacts_by_expiry on ci_artifacts (expire_at) where expire_at is not null',
      `create table ci_variables (
        project_id integer not null, key text not null, environment_scope text not null,
        value text not null, type text not null, protected integer not null, masked integer not null,
        hidden integer not null, raw integer not null, description text,
        primary key (project_id, key, environment_scope))`,
      `create table ci_runners (
        id integer primary key autoincrement, token_hash text not null unique, description text not null,
        tags text not null, run_untagged integer not null, protected_only integer not null,
        paused integer not null, project_id integer, maximum_timeout_seconds integer,
        in_process integer not null, created_at integer not null, contacted_at integer)`,
      `create table ci_runner_managers (
        runner_id integer not null references ci_runners (id) on delete cascade,
        system_id text not null, info text not null, contacted_at integer not null,
        primary key (runner_id, system_id))`,
    ],
  },
]

/** SQL's null is the model's absence. */
export function optional<T>(value: T | null): T | undefined {
  return value ?? undefined
}

/** A row as a pipeline. */
export function pipelineOf(row: Selectable<PipelineTable>): PipelineRecord {
  return {
    id: row.id,
    iid: row.iid,
    projectId: row.project_id,
    ref: row.ref,
    tag: row.tag === 1,
    sha: row.sha,
    beforeSha: row.before_sha,
    source: row.source as PipelineSource,
    status: row.status as Pipeline['status'],
    userId: row.user_id,
    name: optional(row.name),
    protected: row.protected === 1,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    startedAt: optional(row.started_at),
    finishedAt: optional(row.finished_at),
    problems: JSON.parse(row.problems),
    plan: JSON.parse(row.plan),
    variables: JSON.parse(row.variables),
    commit: JSON.parse(row.commit_facts),
  }
}

/** The columns that are written once. */
export function pipelineRow(
  pipeline: Omit<PipelineRecord, 'id' | 'iid'>,
): Omit<PipelineTable, 'id' | 'iid' | 'version'> {
  return {
    ...pipelineState(pipeline),
    project_id: pipeline.projectId,
    ref: pipeline.ref,
    tag: Number(pipeline.tag),
    sha: pipeline.sha,
    before_sha: pipeline.beforeSha,
    source: pipeline.source,
    user_id: pipeline.userId,
    protected: Number(pipeline.protected),
    created_at: pipeline.createdAt,
    problems: JSON.stringify(pipeline.problems),
    plan: JSON.stringify(pipeline.plan),
    variables: JSON.stringify(pipeline.variables),
    commit_facts: JSON.stringify(pipeline.commit),
  }
}

/** The columns that change while it runs. */
export function pipelineState(pipeline: Omit<PipelineRecord, 'id' | 'iid'>) {
  return {
    status: pipeline.status,
    name: pipeline.name ?? null,
    updated_at: pipeline.updatedAt,
    started_at: pipeline.startedAt ?? null,
    finished_at: pipeline.finishedAt ?? null,
  }
}

/** A row as a job. */
export function jobOf(row: Selectable<JobTable>, artifacts: JobArtifactFile[]): JobRecord {
  return {
    id: row.id,
    pipelineId: row.pipeline_id,
    projectId: row.project_id,
    userId: row.user_id,
    name: row.name,
    stage: row.stage,
    status: row.status as JobState,
    plan: JSON.parse(row.plan),
    failureReason: optional(row.failure_reason),
    exitCode: optional(row.exit_code),
    scheduledAt: optional(row.scheduled_at),
    retriedBy: optional(row.retried_by),
    attempt: row.attempt,
    runnerId: optional(row.runner_id),
    createdAt: row.created_at,
    queuedAt: optional(row.queued_at),
    startedAt: optional(row.started_at),
    touchedAt: optional(row.touched_at),
    finishedAt: optional(row.finished_at),
    erasedAt: optional(row.erased_at),
    coverage: optional(row.coverage),
    artifacts,
    playVariables: JSON.parse(row.play_variables),
    artifactsExpireAt: optional(row.artifacts_expire_at),
    dotenv: JSON.parse(row.dotenv),
    run: runOf(row),
  }
}

function runOf(row: Selectable<JobTable>): JobRecord['run'] {
  if (row.token_hash === null) return undefined
  return {
    tokenHash: row.token_hash,
    systemId: row.system_id ?? '',
    timeoutSeconds: row.timeout_seconds ?? 0,
    cancelsGracefully: row.cancels_gracefully === 1,
  }
}

/** A new job's row. */
export function jobRow(
  job: NewJobRecord,
  pipeline: { id: number; protected: number },
): Omit<Insertable<JobTable>, 'id'> {
  return {
    ...jobState(job),
    pipeline_id: pipeline.id,
    protected: pipeline.protected,
    project_id: job.projectId,
    name: job.name,
    stage: job.stage,
    tags: JSON.stringify([...job.plan.tags].sort()),
    attempt: job.attempt,
    created_at: job.createdAt,
    dotenv: JSON.stringify(job.dotenv),
    plan: JSON.stringify(job.plan),
  }
}

/** The columns that change. `dotenv` and `artifacts_expire_at` are written with the artifact, `touched_at` by `touchJob` too. */
export function jobState(job: NewJobRecord) {
  return {
    status: job.status,
    user_id: job.userId,
    retried_by: job.retriedBy !== undefined && job.retriedBy > 0 ? job.retriedBy : null,
    runner_id: job.runnerId ?? null,
    failure_reason: job.failureReason ?? null,
    exit_code: job.exitCode ?? null,
    coverage: job.coverage ?? null,
    queued_at: job.queuedAt ?? null,
    scheduled_at: job.scheduledAt ?? null,
    started_at: job.startedAt ?? null,
    touched_at: job.touchedAt ?? null,
    finished_at: job.finishedAt ?? null,
    erased_at: job.erasedAt ?? null,
    token_hash: job.run?.tokenHash ?? null,
    system_id: job.run?.systemId ?? null,
    timeout_seconds: job.run?.timeoutSeconds ?? null,
    cancels_gracefully: job.run ? Number(job.run.cancelsGracefully) : null,
    play_variables: JSON.stringify(job.playVariables),
  }
}

/** A row as an artifact's description. */
export function artifactOf(row: Selectable<ArtifactTable>): Job['artifacts'][number] {
  return {
    type: row.type,
    format: row.format,
    filename: row.filename,
    digest: row.digest,
    sizeBytes: row.size_bytes,
    expireAt: optional(row.expire_at),
  }
}
