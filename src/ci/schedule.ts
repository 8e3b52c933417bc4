/**
 * The scheduling machine: pure functions over the latest attempts of a pipeline's jobs.
 * Every decision follows from the jobs' states alone, so the order in which events arrive doesn't matter.
 */
import { compositeStatus, type StateBag, type StatefulJob, stateBag } from './composite.ts'
import type { JobState } from './model.ts'
import type { PlanNeed, When } from './plan.ts'

export { compositeStatus } from './composite.ts'

/** A job as the machine sees it. Retried attempts aren't given. */
export interface SchedulableJob extends StatefulJob {
  id: number
  name: string
  stageIndex: number
  when: Exclude<When, 'never'>
  /** Undefined: waits for all earlier stages. Empty: starts at once. */
  needs?: readonly Pick<PlanNeed, 'job'>[]
  /** With `when: delayed`. */
  startInSeconds?: number
  /** Instant at which a `scheduled` job is due. */
  scheduledAt?: number
  /** Given: a job that may start becomes `waiting_for_resource` first; `grantResources` lets it on. */
  resourceGroup?: string
}

export interface JobChange {
  id: number
  status: JobState
  /** Set when a job becomes `scheduled` and `now` was given. */
  scheduledAt?: number
}

export interface Advance {
  /** In the order in which they happen; every job at most once. */
  changes: JobChange[]
  /** Of the pipeline after the changes. */
  status: JobState
}

/** Is there nothing more to come from a job or pipeline in this state? A `manual` one may still be played. */
export function isCompleted(status: JobState): boolean {
  return completed.has(status)
}

const completed: ReadonlySet<JobState> = new Set(['success', 'failed', 'canceled', 'skipped'])

/** `past` is the composite of what came before: does a job with this `when` start after it? (GitLab's `AtomicProcessingService`.) */
function starts(when: SchedulableJob['when'], past: JobState, isDag: boolean): boolean {
  switch (when) {
    case 'on_success':
    case 'manual':
    case 'delayed':
      return past === 'success' || (past === 'skipped' && !isDag)
    case 'on_failure':
      return past === 'failed'
    case 'always':
      return past === 'success' || past === 'failed' || past === 'skipped'
  }
}

/**
 * What changes now: `created` jobs whose past is completed become pending, manual, scheduled or skipped; scheduled jobs that are due become pending.
 * The answer is a fixpoint: applying the changes and calling again changes nothing.
 */
export function advance(jobs: readonly SchedulableJob[], now?: number): Advance {
  const status = new Map(jobs.map(job => [job.id, job.status]))
  const byName = new Map(jobs.map(job => [job.name, job]))
  const current = (job: SchedulableJob): StatefulJob => ({
    status: status.get(job.id)!,
    allowFailure: job.allowFailure,
  })
  const changes: JobChange[] = []
  const past = stateBag()
  for (const stage of stagesInOrder(jobs)) {
    for (const job of needsFirst(stage)) {
      const change = changeOf(job, () => pastOf(job, past, byName, current), now)
      if (!change) continue
      status.set(job.id, change.status)
      changes.push(change)
    }
    for (const job of stage) past.add(current(job))
  }
  return { changes, status: compositeStatus(jobs.map(current)) }
}

function changeOf(
  job: SchedulableJob,
  pastStatus: () => JobState,
  now: number | undefined,
): JobChange | undefined {
  if (job.status === 'scheduled') {
    const isDue = now !== undefined && job.scheduledAt !== undefined && job.scheduledAt <= now
    return isDue ? { id: job.id, status: readyState(job) } : undefined
  }
  if (job.status !== 'created') return undefined
  const before = pastStatus()
  if (!isCompleted(before)) return undefined
  if (!starts(job.when, before, job.needs !== undefined)) return { id: job.id, status: 'skipped' }
  if (job.when === 'manual') return { id: job.id, status: 'manual' }
  if (job.when === 'delayed') return delayed(job, now)
  return { id: job.id, status: readyState(job) }
}

function delayed(job: SchedulableJob, now: number | undefined): JobChange {
  if (now === undefined) return { id: job.id, status: 'scheduled' }
  return { id: job.id, status: 'scheduled', scheduledAt: now + (job.startInSeconds ?? 0) * 1000 }
}

/** The state of a job that may run now. Also for a manual job that is played. */
export function readyState(job: Pick<SchedulableJob, 'resourceGroup'>): JobState {
  return job.resourceGroup === undefined ? 'pending' : 'waiting_for_resource'
}

function pastOf(
  job: SchedulableJob,
  past: StateBag,
  byName: ReadonlyMap<string, SchedulableJob>,
  current: (job: SchedulableJob) => StatefulJob,
): JobState {
  if (job.needs === undefined) return past.status() ?? 'success'
  const needed = stateBag()
  for (const need of job.needs) {
    const other = byName.get(need.job)
    if (other) needed.add(current(other))
  }
  // A skipped need settles it for all but `always`, which still waits for the others.
  if (job.when === 'always' && needed.isAnyUnfinished()) return 'running'
  return needed.statusOfNeeds() ?? 'success'
}

function stagesInOrder(jobs: readonly SchedulableJob[]): SchedulableJob[][] {
  const stages = new Map<number, SchedulableJob[]>()
  for (const job of jobs) {
    const stage = stages.get(job.stageIndex)
    if (stage) stage.push(job)
    else stages.set(job.stageIndex, [job])
  }
  return [...stages].sort(([a], [b]) => a - b).map(([, stage]) => stage)
}

/** Jobs of one stage, each after those that it needs. A cycle (the compiler refuses them) ends somewhere instead of looping. */
function needsFirst(stage: readonly SchedulableJob[]): SchedulableJob[] {
  if (stage.every(job => !job.needs?.length)) return [...stage]
  const byName = new Map(stage.map(job => [job.name, job]))
  const seen = new Set<SchedulableJob>()
  const ordered: SchedulableJob[] = []
  for (const first of stage) {
    const path: { job: SchedulableJob; next: number }[] = []
    const enter = (job: SchedulableJob | undefined) => {
      if (!job || seen.has(job)) return
      seen.add(job)
      path.push({ job, next: 0 })
    }
    enter(first)
    while (path.length > 0) {
      const top = path[path.length - 1]!
      const need = top.job.needs?.[top.next++]
      if (need) enter(byName.get(need.job))
      else ordered.push(path.pop()!.job)
    }
  }
  return ordered
}

/**
 * After a job is played or retried: ids of skipped jobs that go back to `created`, because their past has changed
 * (all of later stages, and all that need it, directly or through others).
 */
export function jobsToRevive(jobs: readonly SchedulableJob[], id: number): number[] {
  const origin = jobs.find(job => job.id === id)
  if (!origin) return []
  const reached = new Set([origin.name])
  for (let size = 0; size < reached.size; ) {
    size = reached.size
    for (const job of jobs) {
      if (job.needs?.some(need => reached.has(need.job))) reached.add(job.name)
    }
  }
  return jobs
    .filter(
      job =>
        job.id !== id &&
        job.status === 'skipped' &&
        (job.stageIndex > origin.stageIndex || reached.has(job.name)),
    )
    .map(job => job.id)
}
