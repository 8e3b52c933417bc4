/**
 * One change of one pipeline in the making: jobs are updated, replaced and scheduled in memory; the store then takes all of it or nothing.
 * Pure: it touches no port.
 */
import type { JobState, PipelineState } from './model.ts'
import type { JobRecord, NewJobRecord, PipelineRecord, Snapshot, SnapshotChange } from './ports.ts'
import { advance, isCompleted, jobsToRevive, type SchedulableJob } from './schedule.ts'

export interface Draft {
  readonly now: number
  readonly pipeline: PipelineRecord
  /** The job as it stands in this change; undefined: not of this pipeline. */
  job(id: number): JobRecord | undefined
  /** The latest attempt of each job. */
  latest(): JobRecord[]
  /** Status changes set `queuedAt` and `finishedAt` by themselves. */
  update(id: number, patch: Partial<JobRecord>): JobRecord
  updatePipeline(patch: Partial<PipelineRecord>): void
  /** A new attempt in the old one's place. Its id is negative until it is stored. */
  replace(id: number, patch: Partial<NewJobRecord>): JobRecord
  /** Skipped jobs that come after this one are decided anew. */
  reviveAfter(id: number): void
  /** Lets everything go on that may, and sets the pipeline's status. Call it last. */
  settle(): void
  /** Undefined: nothing changed. */
  change(): SnapshotChange | undefined
  /** Jobs whose status differs from the stored one's, with that one's. */
  transitions(): { job: JobRecord; before: JobState | undefined }[]
  /** The status that is stored. */
  readonly pipelineBefore: PipelineState
}

/** Starts a change of what was read. */
export function draftOf(snapshot: Snapshot, now: number): Draft {
  const before = new Map(snapshot.jobs.map(job => [job.id, job]))
  const jobs = new Map(before)
  const replaced: { id: number; replaces: number }[] = []
  let pipeline = snapshot.pipeline

  const draft: Draft = {
    now,
    get pipeline() {
      return pipeline
    },
    pipelineBefore: snapshot.pipeline.status,
    job: id => jobs.get(id),
    latest: () => [...jobs.values()].filter(job => job.retriedBy === undefined),
    update(id, patch) {
      const job = jobs.get(id)
      if (!job) throw new Error(`job ${id} is not of pipeline ${pipeline.id}`)
      const updated = { ...job, ...patch }
      if (patch.status !== undefined && patch.status !== job.status) stamp(updated, now)
      jobs.set(id, updated)
      return updated
    },
    updatePipeline(patch) {
      pipeline = { ...pipeline, ...patch }
    },
    replace(id, patch) {
      const temporary = -1 - replaced.length
      const job: JobRecord = { ...freshAttempt(jobs.get(id)!, now), ...patch, id: temporary }
      stamp(job, now)
      jobs.set(temporary, job)
      jobs.set(id, { ...jobs.get(id)!, retriedBy: temporary })
      replaced.push({ id: temporary, replaces: id })
      return job
    },
    reviveAfter(id) {
      for (const skipped of jobsToRevive(draft.latest().map(schedulable), id)) {
        draft.update(skipped, { status: 'created', finishedAt: undefined })
      }
    },
    settle() {
      for (;;) {
        const { changes, status } = advance(draft.latest().map(schedulable), now)
        for (const { id, ...change } of changes) draft.update(id, change)
        if (status !== pipeline.status) pipeline = withStatus(pipeline, status, now)
        const bridges = draft.latest().filter(job => job.status === 'pending' && isBridge(job))
        if (bridges.length === 0) return
        for (const { id } of bridges) draft.update(id, bridgeFailure)
      }
    },
    change() {
      const changed = [...jobs.values()].filter(job => job.id > 0 && job !== before.get(job.id))
      if (changed.length === 0 && pipeline === snapshot.pipeline) return undefined
      const added = replaced.map(({ id, replaces }) => ({ job: jobs.get(id)!, replaces }))
      return { pipeline, version: snapshot.version, changed, added }
    },
    transitions: () =>
      [...jobs.values()]
        .map(job => ({ job, before: before.get(job.id)?.status }))
        .filter(({ job, before }) => job.status !== before),
  }
  return draft
}

/** Downstream pipelines aren't started yet: such a job never goes to a runner. */
const bridgeFailure = {
  status: 'failed',
  failureReason: 'downstream_pipeline_creation_failed',
} as const

function isBridge({ plan }: JobRecord): boolean {
  return plan.extra?.['trigger'] !== undefined || plan.extra?.['bridge_needs'] !== undefined
}

/** Whether its failure doesn't fail the pipeline, given how it ended. */
export function isAllowedToFail(job: JobRecord): boolean {
  if (job.plan.allowFailure) return true
  return job.exitCode !== undefined && !!job.plan.allowFailureExitCodes?.includes(job.exitCode)
}

/** The job as the scheduler sees it. */
export function schedulable(job: JobRecord): SchedulableJob {
  return {
    id: job.id,
    name: job.name,
    stageIndex: job.plan.stageIndex,
    status: job.status,
    when: job.plan.when,
    needs: job.plan.needs,
    startInSeconds: job.plan.startInSeconds,
    scheduledAt: job.scheduledAt,
    allowFailure: isAllowedToFail(job),
  }
}

function stamp(job: JobRecord, now: number): void {
  if (job.status === 'pending') job.queuedAt = now
  if (isCompleted(job.status)) job.finishedAt ??= now
}

function freshAttempt(job: JobRecord, now: number): Omit<JobRecord, 'id'> {
  return {
    pipelineId: job.pipelineId,
    projectId: job.projectId,
    userId: job.userId,
    name: job.name,
    stage: job.stage,
    status: 'created',
    plan: job.plan,
    attempt: job.attempt,
    createdAt: now,
    artifacts: [],
    playVariables: job.playVariables,
    dotenv: [],
  }
}

function withStatus(pipeline: PipelineRecord, status: PipelineState, now: number): PipelineRecord {
  return {
    ...pipeline,
    status,
    updatedAt: now,
    startedAt: pipeline.startedAt ?? (status === 'running' ? now : undefined),
    finishedAt: isCompleted(status) ? now : undefined,
  }
}
