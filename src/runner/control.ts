import type { Clock } from '../lib/index.ts'
import type { Coordinator, JobPayload, JobStatus } from '../protocol/index.ts'
import { canceled, interrupted, type JobFailure, timedOut } from './outcome.ts'

const keepAliveMs = 60_000
const defaultTimeoutSeconds = 7200

/**
 * What ends a job from outside: the server (cancel), the clock (timeout), the runner (shutdown). `script` ends what the user's script does
 * and lets `after_script` follow; `job` ends everything. Both carry a `JobFailure` as their reason.
 */
export interface Control {
  readonly script: AbortSignal
  readonly job: AbortSignal
  onStatus(status: JobStatus): void
  abort(failure: JobFailure): void
  /** Ends the watching. */
  release(): void
}

export function createControl(
  coordinator: Coordinator,
  payload: JobPayload,
  shutdown: AbortSignal,
  clock: Clock,
): Control {
  const job = new AbortController()
  const script = new AbortController()
  const watching = new AbortController()
  const abort = (failure: JobFailure) => {
    job.abort(failure)
    script.abort(failure)
  }
  const onStatus = (status: JobStatus) => {
    if (watching.signal.aborted) return
    if (status === 'canceling') script.abort(canceled())
    if (status === 'canceled' || status === 'failed') abort(canceled())
  }
  const onShutdown = () => abort(interrupted())
  if (shutdown.aborted) onShutdown()
  shutdown.addEventListener('abort', onShutdown, { once: true })

  const seconds =
    payload.runner_info.timeout > 0 ? payload.runner_info.timeout : defaultTimeoutSeconds
  clock.sleep(seconds * 1000, watching.signal).then(
    () => abort(timedOut(seconds)),
    () => {},
  )
  const { id, token } = payload
  const touch = () =>
    coordinator.updateJob(id, { token, state: 'running' }).then(
      answer => onStatus(answer.status),
      () => {},
    )
  const keepAlive = async () => {
    for (; !watching.signal.aborted; await clock.sleep(keepAliveMs, watching.signal)) await touch()
  }
  keepAlive().catch(() => {})
  coordinator.canceled(id, watching.signal).then(
    status => status && onStatus(status),
    () => {},
  )
  return {
    script: script.signal,
    job: job.signal,
    onStatus,
    abort,
    release() {
      shutdown.removeEventListener('abort', onShutdown)
      watching.abort()
    },
  }
}

/** Settles as `work` does, or rejects with the signal's reason when it aborts first. */
export function unless<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
