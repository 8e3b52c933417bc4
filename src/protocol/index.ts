/**
 * What server and runner say to each other: the GitLab runner API as types.
 *
 * The server side is a {@link Coordinator}. Inside one process our runner calls it directly; over HTTP (`api/gitlab/runners.ts`)
 * the official gitlab-runner does. So nothing here may hold what JSON can't.
 */

/** A variable as the runner gets it. Later duplicates of a key win. */
export interface JobVariable {
  key: string
  value: string
  /** `false` keeps it out of service containers. */
  public: boolean
  masked: boolean
  /** The value is written to a file and the variable holds the file's path. */
  file?: boolean
  /** Not expanded (`$X` stays as it is). */
  raw?: boolean
}

export interface JobImage {
  name: string
  alias?: string
  entrypoint?: string[]
  command?: string[]
  pull_policy?: string[]
  variables?: JobVariable[]
  /** Other keys than these make the official runner fail the job. */
  executor_opts?: { docker: { platform?: string; user?: string } }
}

export interface JobStep {
  name: 'script' | 'after_script' | 'release'
  script: string[]
  /** Seconds. */
  timeout: number
  when: 'on_success' | 'always'
  allow_failure: boolean
}

export interface JobArtifact {
  name?: string
  untracked?: boolean
  paths?: string[]
  exclude?: string[]
  when?: 'on_success' | 'on_failure' | 'always'
  artifact_type: string
  artifact_format: 'zip' | 'gzip' | 'raw'
  expire_in?: string
}

export interface JobCache {
  key: string
  untracked?: boolean
  policy: 'pull-push' | 'pull' | 'push'
  paths: string[]
  when: 'on_success' | 'on_failure' | 'always'
  fallback_keys?: string[]
}

export interface JobDependency {
  id: number
  name: string
  token: string
  artifacts_file?: { filename: string; size: number }
}

/** The 201 body of `POST /jobs/request`. */
export interface JobPayload {
  id: number
  token: string
  allow_git_fetch: boolean
  job_info: {
    name: string
    stage: string
    project_id: number
    project_name: string
    project_full_path: string
    pipeline_id: number
    user_id: number
    time_in_queue_seconds: number
    project_jobs_running_on_instance_runners_count: string
  }
  git_info: {
    repo_url: string
    repo_object_format: 'sha1'
    ref: string
    /** 40 hex digits. */
    sha: string
    before_sha: string
    ref_type: 'branch' | 'tag'
    refspecs: string[]
    /** 0 is the whole history. */
    depth: number
    protected: boolean
  }
  /** `timeout` in seconds, for the job as a whole. */
  runner_info: { uuid: string; timeout: number }
  variables: JobVariable[]
  steps: JobStep[]
  image: JobImage | null
  services: JobImage[]
  artifacts: JobArtifact[] | null
  cache: JobCache[]
  credentials: { type: 'registry'; url: string; username: string; password: string }[]
  dependencies: JobDependency[]
  features: { trace_sections: boolean; token_mask_prefixes: string[]; failure_reasons: string[] }
  hooks?: { name: string; script: string[] }[]
}

/** Why a job failed, in GitLab's words. */
export type FailureReason =
  | 'script_failure'
  | 'runner_system_failure'
  | 'job_execution_timeout'
  | 'image_pull_failure'
  | 'runner_configuration_error'
  | 'runner_external_dependency_failure'
  | 'runner_interrupted'
  | 'job_canceled'
  | 'unknown_failure'

export interface RunnerInfo {
  name: string
  version: string
  revision?: string
  platform?: string
  architecture?: string
  executor?: string
  shell?: string
  features: Record<string, boolean>
}

export interface JobRequest {
  /** The runner's authentication token (`glrt-…`). */
  token: string
  system_id: string
  info: RunnerInfo
}

export interface JobUpdate {
  /** The job's token. */
  token: string
  state: 'running' | 'success' | 'failed'
  failure_reason?: FailureReason
  exit_code?: number
  /** `crc32:%08x` over all trace bytes as sent, and their number. */
  output?: { checksum: string; bytesize: number }
}

/** The `Job-Status` header: what the server thinks of the job now. `canceling`: stop the script, run after_script; `canceled`/`failed`: drop everything. */
export type JobStatus = 'pending' | 'running' | 'canceling' | 'canceled' | 'success' | 'failed'

export interface TraceAnswer {
  /** `range_mismatch` is HTTP 416: send again from `size`. */
  result: 'accepted' | 'range_mismatch' | 'forbidden'
  /** Bytes that the server has: where the next append must start. */
  size: number
  status: JobStatus
}

/** Server side of the runner API. Every call that was answered is durable. */
export interface Coordinator {
  /** Waits until a job for this runner is there and assigns it, or returns undefined when the signal aborts. Throws `Failure('forbidden')` for an unknown runner. */
  requestJob(request: JobRequest, signal: AbortSignal): Promise<JobPayload | undefined>
  /** Also the keep-alive (`state: running`). A job that has ended answers its final status and changes nothing. */
  updateJob(jobId: number, update: JobUpdate): Promise<{ accepted: boolean; status: JobStatus }>
  /** Appends `bytes` at offset `start`. */
  appendTrace(jobId: number, token: string, start: number, bytes: Uint8Array): Promise<TraceAnswer>
  /** Resolves when the job's status turns to `canceling`, `canceled` or `failed`, or the signal aborts. The in-process runner uses it in place of polling. */
  canceled(jobId: number, signal: AbortSignal): Promise<JobStatus | undefined>
  uploadArtifact(jobId: number, token: string, artifact: ArtifactUpload): Promise<void>
  /** The archive of job `jobId`, for another job of the same pipeline that holds `token`. Throws `Failure('not_found' | 'forbidden')`. */
  downloadArtifact(
    jobId: number,
    token: string,
  ): Promise<{ filename: string; size: number; body: AsyncIterable<Uint8Array> }>
}

export interface ArtifactUpload {
  filename: string
  artifact_type: string
  artifact_format: string
  expire_in?: string
  body: AsyncIterable<Uint8Array>
}
