/** How jobs end, are stopped and get another attempt: changes of a draft. Pure. */
import { type Draft, isAllowedToFail } from './draft.ts'
import type { JobState } from './model.ts'
import type { JobRecord } from './ports.ts'
import { isCompleted } from './schedule.ts'

export interface Outcome {
  state: 'success' | 'failed'
  failureReason?: string
  exitCode?: number
  /** Gets one more attempt even when the file doesn't ask for it, once. */
  retryOnce?: boolean
}

/** GitLab never tries again after these. */
const finalReasons: ReadonlySet<string> = new Set([
  'ci_quota_exceeded',
  'no_matching_runner',
  'missing_dependency_failure',
  'forward_deployment_failure',
  'environment_creation_failure',
])

/** The job's runner is done with it, or is given up. A job that was being canceled is canceled, whatever came out. */
export function finishJob(draft: Draft, jobId: number, outcome: Outcome): void {
  const job = draft.job(jobId)!
  if (job.status === 'canceling') {
    draft.update(jobId, { status: 'canceled', exitCode: outcome.exitCode })
    return
  }
  if (outcome.state === 'success') {
    draft.update(jobId, { status: 'success', exitCode: outcome.exitCode })
    return
  }
  const failed = draft.update(jobId, {
    status: 'failed',
    failureReason: outcome.failureReason ?? 'unknown_failure',
    exitCode: outcome.exitCode,
  })
  if (triesAgain(failed, outcome)) {
    draft.replace(jobId, { status: 'pending', attempt: job.attempt + 1 })
    return
  }
  if (draft.pipeline.plan.autoCancel?.onJobFailure === 'all' && !isAllowedToFail(failed)) {
    for (const other of draft.latest()) cancelJob(draft, other.id)
  }
}

function triesAgain(job: JobRecord, outcome: Outcome): boolean {
  const reason = job.failureReason!
  if (finalReasons.has(reason)) return false
  if (outcome.retryOnce && job.attempt === 0) return true
  const { max, when, exitCodes } = job.plan.retry
  if (reason === 'scheduler_failure' && job.attempt < Math.max(max, 2)) return true
  if (job.attempt >= max) return false
  if (job.exitCode !== undefined && exitCodes.includes(job.exitCode)) return true
  return when.includes('always') || when.includes(reason)
}

const waitingStates: ReadonlySet<JobState> = new Set([
  'created',
  'waiting_for_resource',
  'pending',
  'manual',
  'scheduled',
])

/** Stops the job as far as that goes: a running one is told, when its runner listens. Ended ones stay as they are. */
export function cancelJob(draft: Draft, jobId: number, force = false): void {
  const job = draft.job(jobId)!
  if (waitingStates.has(job.status)) {
    draft.update(jobId, { status: 'canceled' })
  } else if (job.status === 'running') {
    const status = job.run?.cancelsGracefully && !force ? 'canceling' : 'canceled'
    draft.update(jobId, { status, touchedAt: draft.now })
  } else if (job.status === 'canceling' && force) {
    draft.update(jobId, { status: 'canceled' })
  }
}

/** Whether GitLab's "Retry" takes this job. */
export function isRetryable(job: JobRecord): boolean {
  if (job.retriedBy !== undefined) return false
  return job.status === 'success' || job.status === 'failed' || job.status === 'canceled'
}

/** A new attempt by hand: it runs at once, and what was skipped after it is decided anew. Answers its (negative) id. */
export function retryJob(draft: Draft, jobId: number, userId: number): number {
  const { id } = draft.replace(jobId, { status: 'pending', userId })
  draft.reviveAfter(id)
  return id
}

/** New attempts of all failed and canceled jobs, each in its turn. */
export function retryAll(draft: Draft, userId: number): number {
  const retried = draft
    .latest()
    .filter(job => isRetryable(job) && job.status !== 'success')
    .map(job => draft.replace(job.id, { status: 'created', userId }).id)
  for (const id of retried) draft.reviveAfter(id)
  return retried.length
}

/** Whether a newer commit on the branch may cancel this pipeline's jobs, and which (`workflow:auto_cancel:on_new_commit`). */
export function jobsToAutoCancel(draft: Draft): number[] {
  const mode = draft.pipeline.plan.autoCancel?.onNewCommit ?? 'conservative'
  const open = draft.latest().filter(job => !isCompleted(job.status))
  if (mode === 'none') return []
  if (mode === 'interruptible') {
    return open.filter(job => job.plan.interruptible).map(job => job.id)
  }
  const isCommitted = draft
    .latest()
    .some(job => job.startedAt !== undefined && !job.plan.interruptible)
  return isCommitted ? [] : open.map(job => job.id)
}
