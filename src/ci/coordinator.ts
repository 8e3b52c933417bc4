/** The server's side of the runner protocol. */
import { Failure, KeyedMutex, messageOf, sha256 } from '../lib/index.ts'
import type {
  Coordinator,
  FailureReason,
  JobPayload,
  JobRequest,
  JobStatus,
  JobUpdate,
  TraceAnswer,
} from '../protocol/index.ts'
import { createArtifactDesk } from './artifacts.ts'
import { type Core, holdsRunner } from './core.ts'
import { dependenciesOf } from './dependencies.ts'
import type { Draft } from './draft.ts'
import { finishJob } from './outcomes.ts'
import { buildPayload } from './payload.ts'
import type { HeldJob, JobRecord, QueueHead, Runner } from './ports.ts'
import { candidates } from './queue.ts'

/** Signs of life are noted at most this often. */
const touchEveryMs = 60_000
const contactEveryMs = 300_000

const knownReasons: ReadonlySet<string> = new Set<FailureReason>([
  'script_failure',
  'runner_system_failure',
  'job_execution_timeout',
  'image_pull_failure',
  'runner_configuration_error',
  'runner_external_dependency_failure',
  'runner_interrupted',
  'job_canceled',
  'unknown_failure',
])

/** Hands out jobs, and hears what became of them. */
export function createCoordinator(core: Core): Coordinator {
  const queue = new KeyedMutex()
  const contacts = new Map<string, number>()
  const desk = createArtifactDesk(core)

  return {
    async requestJob(request, signal) {
      const runner = await authenticate(core, request)
      await contact(core, contacts, runner, request)
      for (;;) {
        // Before the look, so that a job that comes during it isn't missed.
        const changed = core.queueGate.wait(signal)
        const payload = await queue.run('queue', () => takeOne(core, request, signal))
        if (payload || signal.aborted) return payload
        await changed
        if (signal.aborted) return undefined
      }
    },

    async updateJob(jobId, update) {
      const held = await heldJob(core, jobId, update.token)
      if (!holdsRunner(held.status)) return { accepted: false, status: held.status as JobStatus }
      if (update.state === 'running') {
        await touch(core, held)
        return { accepted: true, status: held.status as JobStatus }
      }
      return finish(core, held, update)
    },

    async appendTrace(jobId, token, start, bytes) {
      const held = await heldJob(core, jobId, token)
      const answer = (result: TraceAnswer['result'], size: number, status = held.status) => ({
        result,
        size,
        status: status as JobStatus,
      })
      if (!holdsRunner(held.status)) return answer('forbidden', await core.traces.size(jobId))
      if (start + bytes.byteLength > core.limits.maxTraceBytes) {
        const status = await failTooLong(core, held)
        return answer('forbidden', await core.traces.size(jobId), status)
      }
      const { written, size } = await core.traces.append(jobId, start, bytes)
      await touch(core, held)
      return answer(written ? 'accepted' : 'range_mismatch', size)
    },

    async canceled(jobId, signal) {
      for (;;) {
        const changed = core.stopGate.wait(signal)
        if (signal.aborted) return undefined
        const held = await core.store.heldJob(jobId)
        if (!held || held.status === 'success') return undefined
        if (held.status !== 'running' && held.status !== 'pending') return held.status as JobStatus
        await changed
      }
    },

    uploadArtifact: async (jobId, token, upload) => {
      const held = await heldJob(core, jobId, token)
      if (!holdsRunner(held.status)) throw forbidden('Job is not running')
      await desk.upload(held, upload)
      await touch(core, held)
    },
    downloadArtifact: (jobId, token) => desk.download(jobId, token),
  }
}

function forbidden(message: string): Failure {
  return new Failure('forbidden', message)
}

async function authenticate(core: Core, request: JobRequest): Promise<Runner> {
  const runner = await core.store.runnerByTokenHash(sha256(request.token))
  if (!runner) {
    throw new Failure('forbidden', 'This runner token is not known', {
      hint: 'Register the runner again, with a token that this Slipway made.',
    })
  }
  return runner
}

async function contact(
  core: Core,
  contacts: Map<string, number>,
  runner: Runner,
  { system_id: systemId, info }: JobRequest,
): Promise<void> {
  const key = `${runner.id} ${systemId}`
  const now = core.clock.now()
  if (now - (contacts.get(key) ?? 0) < contactEveryMs) return
  if (contacts.size > 10_000) contacts.clear()
  contacts.set(key, now)
  await core.store.contact({ runnerId: runner.id, systemId, info, contactedAt: now })
}

/** One at a time, so that many waiting runners don't all reach for the same job. */
async function takeOne(
  core: Core,
  request: JobRequest,
  signal: AbortSignal,
): Promise<JobPayload | undefined> {
  for (;;) {
    if (signal.aborted) return undefined
    const queue = await core.store.queue()
    if (queue.length === 0) return undefined
    // Read again each time: it may have been paused or deleted while it waited.
    const runner = await authenticate(core, request)
    const running = await core.store.runningByProject()
    const [head] = candidates(runner, queue, running)
    if (!head) return undefined
    const runningCount = running.get(head.projectId) ?? 0
    const assigned = await assign(core, { head, runner, request, runningCount, signal })
    if (assigned) return assigned
  }
}

interface Assignment {
  head: QueueHead
  runner: Runner
  request: JobRequest
  runningCount: number
  signal: AbortSignal
}

/** Undefined: the job has gone another way (canceled, failed for a missing dependency …), so look again. */
async function assign(core: Core, assignment: Assignment): Promise<JobPayload | undefined> {
  const { head } = assignment
  const changed = await core.change(head.pipelineId, async draft => {
    const job = draft.job(head.jobId)
    if (job?.status !== 'pending' || assignment.signal.aborted) return undefined
    const prepared = await prepare(core, draft, job, assignment)
    if ('failure' in prepared) {
      finishJob(draft, job.id, { state: 'failed', failureReason: prepared.failure })
      draft.settle()
      return undefined
    }
    draft.update(job.id, {
      status: 'running',
      runnerId: assignment.runner.id,
      startedAt: draft.now,
      touchedAt: draft.now,
      run: {
        tokenHash: sha256(prepared.payload.token),
        systemId: assignment.request.system_id,
        timeoutSeconds: prepared.payload.runner_info.timeout,
        cancelsGracefully: assignment.request.info.features['cancel_gracefully'] === true,
      },
    })
    draft.settle()
    return prepared.payload
  })
  return changed.value
}

async function prepare(
  core: Core,
  draft: Draft,
  job: JobRecord,
  { runner, runningCount }: Assignment,
): Promise<{ payload: JobPayload } | { failure: string }> {
  const { jobs: dependencies, missing } = dependenciesOf(job, draft.latest(), draft.now)
  if (missing.length > 0) return { failure: 'missing_dependency_failure' }
  const [project, user, settings] = await Promise.all([
    core.accounts.project(job.projectId),
    core.accounts.user(job.userId),
    core.store.variables(job.projectId),
  ])
  if (!project) return { failure: 'project_deleted' }
  if (user?.state !== 'active') return { failure: 'user_blocked' }
  const token = await core.accounts.issueJobToken({
    jobId: job.id,
    projectId: job.projectId,
    userId: job.userId,
  })
  try {
    const payload = buildPayload({
      job,
      pipeline: draft.pipeline,
      project,
      user,
      runner,
      token,
      settings,
      dependencies,
      server: { urls: core.urls, version: core.version },
      timeoutSeconds: timeoutOf(core, job, runner),
      now: draft.now,
      runningCount,
    })
    return { payload }
  } catch (error) {
    core.logger.error({ err: error, jobId: job.id }, 'The job could not be prepared for its runner')
    await core.accounts.revokeJobToken(job.id)
    return { failure: 'scheduler_failure' }
  }
}

function timeoutOf(core: Core, job: JobRecord, runner: Runner): number {
  const own = job.plan.timeoutSeconds ?? core.limits.defaultTimeoutSeconds
  return Math.min(own, runner.maximumTimeoutSeconds ?? own)
}

async function heldJob(core: Core, jobId: number, token: string): Promise<HeldJob> {
  const held = await core.store.heldJob(jobId)
  if (held?.tokenHash === undefined || held.tokenHash !== sha256(token)) {
    throw forbidden('This token does not belong to the job')
  }
  return held
}

async function touch(core: Core, held: HeldJob): Promise<void> {
  const now = core.clock.now()
  if (now - (held.touchedAt ?? 0) >= touchEveryMs) await core.store.touchJob(held.id, now)
}

async function finish(
  core: Core,
  held: HeldJob,
  update: JobUpdate,
): Promise<{ accepted: boolean; status: JobStatus }> {
  await checkTraceSize(core, held.id, update)
  const changed = await core.change(held.pipelineId, draft => {
    // Somebody else may have ended it since it was read.
    if (!holdsRunner(draft.job(held.id)?.status)) return false
    const reason = update.failure_reason
    finishJob(draft, held.id, {
      state: update.state === 'success' ? 'success' : 'failed',
      failureReason: reason !== undefined && knownReasons.has(reason) ? reason : 'unknown_failure',
      exitCode: update.exit_code,
    })
    draft.settle()
    return true
  })
  return { accepted: changed.value, status: changed.job(held.id).status as JobStatus }
}

/** A log that lost bytes on its way is worth a line in ours; the job's result stands. */
async function checkTraceSize(core: Core, jobId: number, update: JobUpdate): Promise<void> {
  if (!update.output) return
  try {
    const size = await core.traces.size(jobId)
    if (size === update.output.bytesize) return
    core.logger.warn({ jobId, size, sent: update.output.bytesize }, 'The log of a job is not whole')
  } catch (error) {
    core.logger.warn({ jobId, problem: messageOf(error) }, 'The log of a job could not be checked')
  }
}

async function failTooLong(core: Core, held: HeldJob): Promise<JobStatus> {
  const changed = await core.change(held.pipelineId, draft => {
    if (!holdsRunner(draft.job(held.id)?.status)) return
    finishJob(draft, held.id, { state: 'failed', failureReason: 'trace_size_exceeded' })
    draft.settle()
  })
  return changed.job(held.id).status as JobStatus
}
