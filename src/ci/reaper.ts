/** What time does to jobs: delayed ones start, silent, endless and stuck ones fail, old artifacts go. */
import { createArtifactDesk } from './artifacts.ts'
import { type Core, holdsRunner } from './core.ts'
import { finishJob } from './outcomes.ts'
import type { ActiveJob, Runner } from './ports.ts'
import { canRun } from './queue.ts'

const everyMs = 30_000

/** Runs until the signal aborts. A round that fails is logged; the next one comes. */
export async function reapUntilAborted(core: Core, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const scheduled = new AbortController()
    const stop = AbortSignal.any([signal, scheduled.signal])
    const changed = core.reaperGate.wait(stop)
    let sleepMs = everyMs
    try {
      sleepMs = await reap(core)
    } catch (error) {
      core.logger.error({ err: error }, 'A round of the reaper failed')
    }
    const asleep = core.clock.sleep(sleepMs, stop).catch(() => {})
    await Promise.race([changed, asleep])
    scheduled.abort()
  }
}

/** One round; answers in how many milliseconds the next one is due. */
export async function reap(core: Core): Promise<number> {
  const now = core.clock.now()
  const jobs = await core.store.activeJobs(['pending', 'scheduled', 'running', 'canceling'])
  const runners = jobs.some(job => job.status === 'pending') ? await core.store.runners() : []
  let nextAt = now + everyMs
  for (const job of jobs) {
    if (job.status === 'scheduled') {
      if ((job.scheduledAt ?? 0) <= now) await core.change(job.pipelineId, draft => draft.settle())
      else nextAt = Math.min(nextAt, job.scheduledAt!)
      continue
    }
    const reason = reasonToEnd(core, job, runners, now)
    if (reason !== undefined) await end(core, job, reason)
  }
  await createArtifactDesk(core).expire()
  return Math.max(0, nextAt - core.clock.now())
}

function reasonToEnd(
  core: Core,
  job: ActiveJob,
  runners: readonly Runner[],
  now: number,
): string | undefined {
  const { limits } = core
  if (job.status === 'pending') {
    const waited = now - (job.queuedAt ?? now)
    if (waited < Math.min(limits.pendingMs, limits.pendingWithoutRunnerMs)) return undefined
    const limit = runners.some(runner => canRun(runner, job))
      ? limits.pendingMs
      : limits.pendingWithoutRunnerMs
    return waited >= limit ? 'stuck_or_timeout_failure' : undefined
  }
  const silent = now - (job.touchedAt ?? job.startedAt ?? now)
  if (job.status === 'canceling') {
    return silent >= limits.cancelingMs ? 'stuck_or_timeout_failure' : undefined
  }
  const ran = now - (job.startedAt ?? now)
  if (ran >= (job.timeoutSeconds ?? Infinity) * 1000 + limits.timeoutGraceMs) {
    return 'job_execution_timeout'
  }
  return silent >= limits.silenceMs ? 'stuck_or_timeout_failure' : undefined
}

async function end(core: Core, job: ActiveJob, failureReason: string): Promise<void> {
  core.logger.warn({ jobId: job.id, failureReason }, 'A job was given up')
  await core.change(job.pipelineId, draft => {
    const status = draft.job(job.id)?.status
    if (status !== job.status || !(status === 'pending' || holdsRunner(status))) return
    finishJob(draft, job.id, { state: 'failed', failureReason })
    draft.settle()
  })
}
