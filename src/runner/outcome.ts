import { Failure, messageOf } from '../lib/index.ts'
import type { FailureReason } from '../protocol/index.ts'
import { duration } from './format.ts'

/** Why a job can't go on, in the words of its log's last line. */
export class JobFailure extends Error {
  readonly reason: FailureReason
  readonly exitCode: number | undefined
  /** What to do about it. */
  readonly hint: string | undefined

  constructor(
    reason: FailureReason,
    message: string,
    more: { exitCode?: number; hint?: string } = {},
  ) {
    super(message)
    this.name = 'JobFailure'
    this.reason = reason
    this.exitCode = more.exitCode
    this.hint = more.hint
  }
}

export const canceled = () => new JobFailure('job_canceled', 'canceled')

export const interrupted = () =>
  new JobFailure('runner_interrupted', 'the runner was stopped while the job ran', {
    hint: 'Retry the job: the runner takes jobs again when it is back.',
  })

export const timedOut = (seconds: number) =>
  new JobFailure(
    'job_execution_timeout',
    `execution took longer than ${duration(seconds)} seconds`,
    { hint: 'Give the job more time with `timeout:`, or look above for what it waited for.' },
  )

/** Whatever was thrown, as the failure of a job: what isn't one already is the runner's or the engine's fault, not the script's. */
export function jobFailureOf(error: unknown): JobFailure {
  if (error instanceof JobFailure) return error
  if (error instanceof Failure && error.code === 'unavailable')
    return new JobFailure(
      'runner_system_failure',
      `the container engine can't be reached: ${error.message}`,
      { hint: error.hint ?? 'Check that the Docker Engine runs, then retry the job.' },
    )
  if (error instanceof Failure)
    return new JobFailure('runner_system_failure', error.message, { hint: error.hint })
  return new JobFailure('runner_system_failure', messageOf(error))
}

/** `CI_JOB_STATUS` for what runs after the script. */
export function statusOf(failure: JobFailure | undefined): string {
  if (failure === undefined) return 'success'
  if (failure.reason === 'job_canceled') return 'canceled'
  return failure.reason === 'job_execution_timeout' ? 'timedout' : 'failed'
}
