/** Which waiting job goes to which runner. Pure. */
import type { QueueHead, Runner } from './ports.ts'

/** What a runner's settings allow it to take. */
export type RunnerScope = Pick<
  Runner,
  'tags' | 'runUntagged' | 'protectedOnly' | 'paused' | 'projectId'
>

/** Whether this runner may ever take such a job. */
export function canRun(
  runner: RunnerScope,
  job: Pick<QueueHead, 'tags' | 'protected' | 'projectId'>,
): boolean {
  if (runner.paused) return false
  if (runner.protectedOnly && !job.protected) return false
  if (runner.projectId !== undefined && runner.projectId !== job.projectId) return false
  if (job.tags.length === 0) return runner.runUntagged
  return job.tags.every(tag => runner.tags.includes(tag))
}

/** In the order in which the runner should try them: projects with fewer running jobs first, then the older job. */
export function candidates(
  runner: RunnerScope,
  queue: readonly QueueHead[],
  running: ReadonlyMap<number, number>,
): QueueHead[] {
  const runningOf = (job: QueueHead) => running.get(job.projectId) ?? 0
  return queue
    .filter(job => canRun(runner, job))
    .sort((a, b) => runningOf(a) - runningOf(b) || a.jobId - b.jobId)
}
