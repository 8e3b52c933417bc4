/** Pipelines and jobs as they are kept and shown. */
import type { Plan, PlanJob, Problem } from './plan.ts'

export type JobState =
  | 'created'
  | 'waiting_for_resource'
  | 'pending'
  | 'running'
  | 'success'
  | 'failed'
  | 'canceling'
  | 'canceled'
  | 'skipped'
  | 'manual'
  | 'scheduled'

export type PipelineState = JobState

export type PipelineSource =
  | 'push'
  | 'web'
  | 'api'
  | 'trigger'
  | 'schedule'
  | 'merge_request_event'
  | 'pipeline'
  | 'parent_pipeline'

export interface Pipeline {
  id: number
  /** Number within the project. */
  iid: number
  projectId: number
  /** `master`, without `refs/heads/`. */
  ref: string
  tag: boolean
  sha: string
  beforeSha: string
  source: PipelineSource
  status: PipelineState
  userId: number
  name?: string
  problems: Problem[]
  plan: Plan
  /** Given when it was started by hand or by the API. */
  variables: { key: string; value: string; type: 'env_var' | 'file' }[]
  createdAt: number
  startedAt?: number
  finishedAt?: number
  updatedAt: number
}

export interface Job {
  id: number
  pipelineId: number
  projectId: number
  userId: number
  name: string
  stage: string
  status: JobState
  plan: PlanJob
  failureReason?: string
  exitCode?: number
  /** With `when: delayed`. */
  scheduledAt?: number
  /** The job that took its place by retry; such a job no longer counts for its pipeline. */
  retriedBy?: number
  /** How often it was retried by itself. */
  attempt: number
  runnerId?: number
  createdAt: number
  queuedAt?: number
  startedAt?: number
  finishedAt?: number
  erasedAt?: number
  coverage?: number
  artifacts: JobArtifactFile[]
}

export interface JobArtifactFile {
  type: string
  format: string
  filename: string
  digest: string
  sizeBytes: number
  expireAt?: number
}

/** A CI/CD variable of a project (settings page). */
export interface SettingVariable {
  key: string
  value: string
  type: 'env_var' | 'file'
  protected: boolean
  masked: boolean
  hidden: boolean
  raw: boolean
  /** `*`, `production`, `review/*`. */
  environmentScope: string
  description?: string
}

/** What changed, for whoever shows it live. */
export type CiEvent =
  | { type: 'pipeline'; projectId: number; pipelineId: number; status: PipelineState }
  | { type: 'job'; projectId: number; pipelineId: number; jobId: number; status: JobState }
