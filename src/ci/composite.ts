import type { JobState } from './model.ts'

/** States of a set of jobs as a bit set: the composite depends on nothing else. */
type StateSet = number

const bits = {
  created: 1,
  waiting_for_resource: 2,
  pending: 4,
  running: 8,
  success: 16,
  failed: 32,
  canceling: 64,
  canceled: 128,
  skipped: 256,
  manual: 512,
  scheduled: 1024,
  /** Failed or canceled, and allowed to. */
  warning: 2048,
  /** Manual, and nothing waits for it. */
  ignored: 4096,
} as const satisfies Record<JobState | 'warning' | 'ignored', number>

const finished: StateSet =
  bits.success | bits.failed | bits.canceled | bits.skipped | bits.warning | bits.ignored

export interface StatefulJob {
  status: JobState
  /** As resolved for the job's exit code. */
  allowFailure: boolean
}

function bitOf(job: StatefulJob): StateSet {
  if (job.allowFailure) {
    if (job.status === 'failed' || job.status === 'canceled') return bits.warning
    if (job.status === 'manual') return bits.ignored
  }
  return bits[job.status]
}

/** Collects jobs one by one and tells their composite status at any time, in constant space. */
export interface StateBag {
  add(job: StatefulJob): void
  /** Undefined: the bag is empty. */
  status(): JobState | undefined
  /** As the needs of a DAG job: a skipped or ignored need counts as skipped. */
  statusOfNeeds(): JobState | undefined
  /** Is there one that will still change by itself or by a person, optional manual ones aside? */
  isAnyUnfinished(): boolean
}

/** An empty bag. */
export function stateBag(): StateBag {
  let set: StateSet = 0
  return {
    add(job) {
      set |= bitOf(job)
    },
    status: () => (set === 0 ? undefined : statusOf(set)),
    statusOfNeeds() {
      if (set === 0) return undefined
      return set & (bits.skipped | bits.ignored) ? 'skipped' : statusOf(set)
    },
    isAnyUnfinished: () => (set & ~finished) !== 0,
  }
}

/** First line that holds decides: all states within `all`, or any of `any` present. GitLab's `Gitlab::Ci::Status::Composite`. */
const table: readonly ({ all: StateSet; is: JobState } | { any: StateSet; is: JobState })[] = [
  { all: bits.skipped | bits.ignored, is: 'skipped' },
  { all: bits.success | bits.skipped | bits.warning | bits.ignored, is: 'success' },
  { all: bits.created | bits.warning | bits.ignored, is: 'created' },
  {
    all: bits.canceled | bits.success | bits.skipped | bits.warning | bits.ignored,
    is: 'canceled',
  },
  { all: bits.pending | bits.created | bits.skipped | bits.warning | bits.ignored, is: 'pending' },
  { any: bits.running | bits.pending, is: 'running' },
  { any: bits.waiting_for_resource, is: 'waiting_for_resource' },
  { any: bits.manual, is: 'manual' },
  { any: bits.scheduled, is: 'scheduled' },
  { any: bits.created, is: 'running' },
  { any: bits.canceling, is: 'canceling' },
]

function statusOf(set: StateSet): JobState {
  for (const line of table) {
    if ('all' in line ? (set & ~line.all) === 0 : (set & line.any) !== 0) return line.is
  }
  return 'failed'
}

/** Status of a stage or a pipeline; no jobs: `success`. Give only the latest attempt of each job. */
export function compositeStatus(jobs: Iterable<StatefulJob>): JobState {
  const bag = stateBag()
  for (const job of jobs) bag.add(job)
  return bag.status() ?? 'success'
}
