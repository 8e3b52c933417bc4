/** What the pipelines need from the rest of the house. Adapters: `store/ci.ts`, and the composition root for the others. */
import type { Project, User } from '../accounts/index.ts'
import type { RunnerInfo } from '../protocol/index.ts'
import type { SourceReader } from './context.ts'
import type { Job, JobArtifactFile, JobState, Pipeline, SettingVariable } from './model.ts'
import type { PipelineFilter } from './use-cases.ts'

/** The commit as it was when the pipeline was made: later jobs don't ask git again. */
export interface CommitFacts {
  title: string
  message: string
  authorName: string
  authorEmail: string
  /** ISO 8601 with the committer's offset when the source knows it, else UTC. */
  timestamp: string
}

export interface PipelineRecord extends Pipeline {
  commit: CommitFacts
  /** Whether the ref was protected when the pipeline was made. */
  protected: boolean
}

/** What only the server and the job's runner know. Kept after the job's end, so that a late call is answered with the final status. */
export interface JobRun {
  /** SHA-256 of the job's token. */
  tokenHash: string
  systemId: string
  /** From the job's start, as the runner was told. */
  timeoutSeconds: number
  /** The runner runs after_script when it is told `canceling`. */
  cancelsGracefully: boolean
}

export interface JobRecord extends Job {
  /** Given when it was played by hand. */
  playVariables: { key: string; value: string }[]
  run?: JobRun
  /** The last sign of life from the runner. */
  touchedAt?: number
  /** When its archive goes, or went. */
  artifactsExpireAt?: number
  /** From its dotenv report. */
  dotenv: { key: string; value: string }[]
}

export type NewJobRecord = Omit<JobRecord, 'id' | 'pipelineId'>

/** One pipeline with all its jobs, the retried ones too, in the order of their ids. */
export interface Snapshot {
  pipeline: PipelineRecord
  jobs: JobRecord[]
  /** Grows with every save. */
  version: number
}

export interface SnapshotChange {
  pipeline: PipelineRecord
  /** Of the snapshot from which the change was computed. */
  version: number
  changed: readonly JobRecord[]
  /** New jobs; `replaces` is the id of the job whose `retriedBy` becomes the new one's id. */
  added: readonly { job: NewJobRecord; replaces: number }[]
}

/** The oldest waiting job of all that only differ in age. */
export interface QueueHead {
  jobId: number
  pipelineId: number
  projectId: number
  tags: string[]
  protected: boolean
}

/** A job that somebody must keep an eye on: it waits, runs, or is being canceled. */
export interface ActiveJob {
  id: number
  pipelineId: number
  projectId: number
  status: JobState
  tags: string[]
  protected: boolean
  runnerId?: number
  queuedAt?: number
  scheduledAt?: number
  startedAt?: number
  touchedAt?: number
  timeoutSeconds?: number
}

/** The little that each call of a runner needs. */
export interface HeldJob {
  id: number
  pipelineId: number
  status: JobState
  tokenHash?: string
  touchedAt?: number
}

export type StoredPipelineFilter = Omit<PipelineFilter, 'username'> & { userId?: number }

/** Each call is one transaction; what it answered is durable. */
export interface PipelineStore {
  /** Gives the pipeline its id and its number within the project. */
  insertPipeline(
    pipeline: Omit<PipelineRecord, 'id' | 'iid'>,
    jobs: readonly NewJobRecord[],
  ): Promise<Snapshot>
  snapshot(pipelineId: number): Promise<Snapshot | undefined>
  /** All or nothing. Undefined: somebody saved since `version` was read, so nothing was written. Else the ids of `added`, in order. */
  save(change: SnapshotChange): Promise<number[] | undefined>
  pipeline(pipelineId: number): Promise<PipelineRecord | undefined>
  pipelines(
    projectId: number,
    filter: StoredPipelineFilter,
  ): Promise<{ items: PipelineRecord[]; total: number }>
  /** Those that haven't ended: of one branch, or all. */
  activePipelines(of?: { projectId: number; ref: string }): Promise<number[]>
  /** With its jobs; answers the digests of artifacts that nobody refers to any more. */
  deletePipeline(pipelineId: number): Promise<{ jobIds: number[]; digests: string[] }>

  job(jobId: number): Promise<JobRecord | undefined>
  jobByTokenHash(tokenHash: string): Promise<JobRecord | undefined>
  projectJobs(
    projectId: number,
    filter: { status?: string[]; page: number; perPage: number },
  ): Promise<{ items: JobRecord[]; total: number }>
  /** The queue by its heads: one entry for each project, tag set and protection. */
  queue(): Promise<QueueHead[]>
  /** How many jobs run, by project id. */
  runningByProject(): Promise<Map<number, number>>
  activeJobs(states: readonly JobState[]): Promise<ActiveJob[]>
  /** What a call of the job's runner is checked against. */
  heldJob(jobId: number): Promise<HeldJob | undefined>
  touchJob(jobId: number, at: number): Promise<void>

  /** False: the job has a file of this type with another digest. The same one again changes nothing and is true. */
  addArtifact(
    jobId: number,
    file: JobArtifactFile,
    dotenv?: { key: string; value: string }[],
  ): Promise<boolean>
  /** Forgets artifacts whose time is over; answers the digests that nobody refers to any more. */
  expireArtifacts(now: number, limit: number): Promise<string[]>
  isArtifactKnown(digest: string): Promise<boolean>
}

export interface SettingStore {
  variables(projectId: number): Promise<SettingVariable[]>
  /** Inserts or replaces by key and environment scope. */
  putVariable(projectId: number, variable: SettingVariable): Promise<void>
  /** How many went. */
  deleteVariables(projectId: number, key: string, environmentScope?: string): Promise<number>
}

export interface Runner {
  id: number
  tokenHash: string
  description: string
  tags: string[]
  runUntagged: boolean
  /** Takes jobs of protected refs only. */
  protectedOnly: boolean
  paused: boolean
  /** Only jobs of this project; undefined: of all. */
  projectId?: number
  /** No job of it runs longer. */
  maximumTimeoutSeconds?: number
  /** Lives in this process, so its jobs end when the process does. */
  inProcess: boolean
  createdAt: number
  contactedAt?: number
}

/** One process that works with a runner's token. */
export interface RunnerManager {
  runnerId: number
  systemId: string
  info: RunnerInfo
  contactedAt: number
}

export interface RunnerStore {
  insertRunner(runner: Omit<Runner, 'id'>): Promise<Runner>
  updateRunner(runner: Runner): Promise<void>
  deleteRunner(runnerId: number): Promise<void>
  runner(runnerId: number): Promise<Runner | undefined>
  runnerByTokenHash(tokenHash: string): Promise<Runner | undefined>
  runners(): Promise<Runner[]>
  /** Notes that this process of the runner was heard of. */
  contact(manager: RunnerManager): Promise<void>
  managers(runnerId: number): Promise<RunnerManager[]>
  deleteManager(runnerId: number, systemId: string): Promise<boolean>
}

/** The repositories. */
export interface Sources {
  /** The tree of one commit, and what its file may include as this user may see it. */
  reader(project: Project, user: User, sha: string): SourceReader
  commit(projectId: number, sha: string): Promise<CommitFacts | undefined>
  /** Paths that differ between two commits. */
  changedPaths(projectId: number, before: string, after: string): Promise<string[]>
  /** Paths that changed on the way to `sha` since it left `revision` (`rules:changes:compare_to`). Undefined: there is no such revision. */
  changedSince(projectId: number, revision: string, sha: string): Promise<string[] | undefined>
  /** Keeps the commit fetchable as `refs/pipelines/<id>`, also when its branch has moved on. Idempotent. */
  keep(projectId: number, pipelineId: number, sha: string): Promise<void>
  /** Undoes `keep`. */
  release(projectId: number, pipelineId: number): Promise<void>
}

/** Where job logs go. */
export interface TraceSink {
  /** Appends at byte offset `start`, which must be the size; else nothing is written. Durable when it resolves. */
  append(
    jobId: number,
    start: number,
    bytes: Uint8Array,
  ): Promise<{ written: boolean; size: number }>
  size(jobId: number): Promise<number>
  /** Nothing more will come: those who follow it end. */
  close(jobId: number): Promise<void>
  delete(jobId: number): Promise<void>
}

/** Where artifacts go: content-addressed. */
export interface ArtifactStore {
  write(body: AsyncIterable<Uint8Array>): Promise<{ digest: string; sizeBytes: number }>
  has(digest: string): Promise<boolean>
  /** Throws `Failure('not_found')`. */
  read(digest: string): Promise<AsyncIterable<Uint8Array>>
  delete(digest: string): Promise<void>
}

/** The part of `accounts` that pipelines use. */
export interface CiAccounts {
  user(idOrName: number | string): Promise<User | undefined>
  project(id: number): Promise<Project | undefined>
  /** A second call for the same job replaces the first token. */
  issueJobToken(job: { jobId: number; projectId: number; userId: number }): Promise<string>
  revokeJobToken(jobId: number): Promise<void>
}

/** Addresses, without a slash at the end. */
export interface CiUrls {
  /** For people: `http://localhost:10080`. Links to projects, pipelines and jobs. */
  external: string
  /** From inside jobs: `http://slipway.internal`. Cloning, and the API. */
  internal: string
  /** Host and port of the registry as jobs name it: `registry.slipway.internal`. */
  registry: string
}
