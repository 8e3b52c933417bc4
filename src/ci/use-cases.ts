/** What the outside may ask of the pipelines. */
import type { Project, User } from '../accounts/index.ts'
import type { Coordinator, RunnerInfo } from '../protocol/index.ts'
import type { Job, Pipeline, PipelineSource, SettingVariable } from './model.ts'
import type { Problem } from './plan.ts'

export interface NewPipeline {
  project: Project
  user: User
  /** `refs/heads/master` or `refs/tags/v1`. */
  ref: string
  sha: string
  beforeSha?: string
  source: PipelineSource
  variables?: { key: string; value: string; type?: 'env_var' | 'file' }[]
  /** `git push -o …`: `ci.skip`, `ci.variable=K=V`. */
  pushOptions?: string[]
  /** Values for the file's `spec:inputs`. */
  inputs?: Record<string, unknown>
}

export type PipelineOutcome =
  | { kind: 'created'; pipeline: Pipeline; jobs: Job[]; problems: Problem[] }
  /** The file has errors. A failed pipeline without jobs is kept, as GitLab does on a push, so that people see it. */
  | { kind: 'invalid'; pipeline?: Pipeline; problems: Problem[] }
  /** No file, `[ci skip]`, no job for this ref, `workflow:rules` said no. */
  | { kind: 'none'; reason: string; problems: Problem[] }

export interface Pipelines {
  /** For the in-process runner and the HTTP runner API. */
  readonly coordinator: Coordinator
  /** What runners and their owners ask besides jobs. */
  readonly runners: Runners
  create(request: NewPipeline): Promise<PipelineOutcome>
  get(pipelineId: number): Promise<Pipeline | undefined>
  list(projectId: number, filter: PipelineFilter): Promise<{ items: Pipeline[]; total: number }>
  jobs(pipelineId: number, options?: { includeRetried?: boolean }): Promise<Job[]>
  job(jobId: number): Promise<Job | undefined>
  projectJobs(
    projectId: number,
    filter: { status?: string[]; page: number; perPage: number },
  ): Promise<{ items: Job[]; total: number }>
  /** Manual or scheduled → pending. `variables` are added to the job's. Throws `Failure('conflict')` in GitLab's words when it can't be played. */
  play(jobId: number, user: User, variables?: { key: string; value: string }[]): Promise<Job>
  /** Makes a new job in the old one's place. */
  retry(jobId: number, user: User): Promise<Job>
  cancel(jobId: number, user: User): Promise<Job>
  /** All failed and canceled jobs. */
  retryPipeline(pipelineId: number, user: User): Promise<Pipeline>
  cancelPipeline(pipelineId: number, user: User): Promise<Pipeline>
  deletePipeline(pipelineId: number): Promise<void>

  variables(projectId: number): Promise<SettingVariable[]>
  /** Throws `Failure('invalid')` with `details` by field: key format, maskability (GitLab's rules). */
  setVariable(projectId: number, variable: SettingVariable): Promise<SettingVariable>
  deleteVariable(projectId: number, key: string, environmentScope?: string): Promise<void>

  /** Registers the in-process runner (idempotent) and returns its token. */
  ensureRunner(runner: {
    description: string
    tags: string[]
    runUntagged: boolean
  }): Promise<{ id: number; token: string }>
  /**
   * After a restart: jobs that ran on the in-process runner fail with `runner_system_failure` and are retried once by themselves; everything else is scheduled again.
   */
  recover(): Promise<void>
  /** Timeouts, delayed jobs, stuck jobs; runs until the signal aborts. */
  run(signal: AbortSignal): Promise<void>
}

export interface PipelineFilter {
  page: number
  perPage: number
  ref?: string
  sha?: string
  status?: string
  source?: string
  scope?: string
  username?: string
}

/** Runners of other machines. Tokens are told once. All but `create` throw `Failure('forbidden')` for an unknown token. */
export interface Runners {
  create(runner: {
    description: string
    tags: string[]
    runUntagged: boolean
    paused: boolean
    protectedOnly: boolean
    projectId?: number
    maximumTimeoutSeconds?: number
  }): Promise<{ id: number; token: string }>
  /** Notes that the process `systemId` works with this token. */
  verify(token: string, systemId: string, info?: RunnerInfo): Promise<{ id: number }>
  remove(token: string): Promise<void>
  /** Throws `Failure('not_found')` for an unknown process. */
  removeManager(token: string, systemId: string): Promise<void>
  /** The old token ends. */
  resetToken(token: string): Promise<{ id: number; token: string }>
  /** A job whose payload never reached its runner waits again. Changes nothing once the runner has written to its log. */
  giveBack(jobId: number): Promise<void>
}
