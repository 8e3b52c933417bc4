/** What the use cases and the coordinator share: the ports, the one way to change a pipeline, and what wakes whom afterwards. */
import { type Clock, Failure, Gate, KeyedMutex, type Logger, type Random } from '../lib/index.ts'
import { type Draft, draftOf } from './draft.ts'
import type { CiEvent, JobState } from './model.ts'
import type {
  ArtifactStore,
  CiAccounts,
  CiUrls,
  JobRecord,
  PipelineRecord,
  PipelineStore,
  RunnerStore,
  SettingStore,
  Snapshot,
  Sources,
  TraceSink,
} from './ports.ts'
import { isCompleted } from './schedule.ts'

export interface PipelinesOptions {
  store: PipelineStore & SettingStore & RunnerStore
  sources: Sources
  traces: TraceSink
  artifacts: ArtifactStore
  accounts: CiAccounts
  /** Called after the change is durable. Must not throw. */
  emit: (event: CiEvent) => void
  urls: CiUrls
  clock: Clock
  random: Random
  logger: Logger
  limits?: Partial<CiLimits>
  /** `CI_SERVER_VERSION` and its parts. */
  version?: string
}

export interface CiLimits {
  /** A job without a `timeout` of its own. */
  defaultTimeoutSeconds: number
  /** After its timeout a job's runner has this long to say so itself. */
  timeoutGraceMs: number
  /** A running job whose runner is silent for so long has failed. */
  silenceMs: number
  /** A job that is being canceled and whose runner is silent for so long is canceled. */
  cancelingMs: number
  /** A job that waits for a runner for so long has failed; with no runner at all that could take it, the second. */
  pendingMs: number
  pendingWithoutRunnerMs: number
  maxTraceBytes: number
  maxArtifactBytes: number
  maxDotenvBytes: number
  maxDotenvVariables: number
  /** For artifacts without `expire_in`. */
  artifactLifetimeMs: number
}

/** GitLab's, where it has them. */
export const defaultLimits: CiLimits = {
  defaultTimeoutSeconds: 3600,
  timeoutGraceMs: 60_000,
  silenceMs: 3_600_000,
  cancelingMs: 1_800_000,
  pendingMs: 86_400_000,
  pendingWithoutRunnerMs: 3_600_000,
  maxTraceBytes: 100 * 1024 * 1024,
  maxArtifactBytes: 1024 * 1024 * 1024,
  maxDotenvBytes: 5 * 1024,
  maxDotenvVariables: 20,
  artifactLifetimeMs: 30 * 86_400_000,
}

export interface Core extends Omit<PipelinesOptions, 'limits' | 'version'> {
  limits: CiLimits
  version: string
  /** Keys: pipeline ids, `artifacts`. */
  mutex: KeyedMutex
  /** Opens when a job becomes pending. */
  queueGate: Gate
  /** Opens when a delayed job was scheduled. */
  reaperGate: Gate
  /** Opens when some job is to stop, or has ended. */
  stopGate: Gate
  /**
   * Reads the pipeline, lets `work` change the draft, stores it as one transaction and tells everyone. `work` runs again when somebody else
   * saved in between. Throws `Failure('not_found')`.
   */
  change<T>(pipelineId: number, work: (draft: Draft) => T | Promise<T>): Promise<Changed<T>>
  /** True until `run`: a push that comes before it may be one that a crash cut off, told again. */
  isReplaying: boolean
  /** Tells everyone about a pipeline that was just inserted. */
  announce(snapshot: Snapshot): void
}

export interface Changed<T> {
  value: T
  pipeline: PipelineRecord
  /** The job as stored; takes a replacement's negative id too. */
  job(id: number): JobRecord
}

/** Only another process on the same database can be in the way. */
const maxRounds = 20

/** Puts the ports and the gates together. */
export function createCore(options: PipelinesOptions): Core {
  const mutex = new KeyedMutex()
  const core: Core = {
    ...options,
    limits: { ...defaultLimits, ...options.limits },
    mutex,
    version: options.version ?? '17.0.0',
    isReplaying: true,
    queueGate: new Gate(),
    reaperGate: new Gate(),
    stopGate: new Gate(),
    change: (pipelineId, work) =>
      mutex.run(pipelineId, async () => {
        for (let round = 0; round < maxRounds; round++) {
          const changed = await attempt(core, pipelineId, work)
          if (!changed) continue
          await tell(core, changed)
          return changed
        }
        throw new Failure('unavailable', 'The pipeline is being changed by others all the time', {
          hint: 'Try again.',
        })
      }),
    announce({ pipeline, jobs }) {
      emitPipeline(core, pipeline)
      for (const job of jobs) emitJob(core, job)
    },
  }
  return core
}

interface Stored<T> extends Changed<T> {
  transitions: { job: JobRecord; before: JobState | undefined }[]
  pipelineChanged: boolean
}

async function attempt<T>(
  core: Core,
  pipelineId: number,
  work: (draft: Draft) => T | Promise<T>,
): Promise<Stored<T> | undefined> {
  const snapshot = await core.store.snapshot(pipelineId)
  if (!snapshot) throw new Failure('not_found', 'Pipeline Not Found')
  const draft = draftOf(snapshot, core.clock.now())
  const value = await work(draft)
  const change = draft.change()
  const transitions = draft.transitions()
  let ids: number[] = []
  if (change) {
    // Before the save, so that no crash leaves a token that outlives its job.
    for (const { job, before } of transitions) {
      if (holdsRunner(before) && !holdsRunner(job.status))
        await core.accounts.revokeJobToken(job.id)
    }
    const saved = await core.store.save(change)
    if (!saved) return undefined
    ids = saved
  }
  const stored = (job: JobRecord): JobRecord => ({
    ...job,
    id: idOf(job.id, ids),
    retriedBy: job.retriedBy === undefined ? undefined : idOf(job.retriedBy, ids),
  })
  return {
    value,
    pipeline: draft.pipeline,
    job: id => stored(draft.job(id)!),
    transitions: transitions.map(({ job, before }) => ({ job: stored(job), before })),
    pipelineChanged: draft.pipeline.status !== draft.pipelineBefore,
  }
}

function idOf(id: number, ids: readonly number[]): number {
  return id < 0 ? ids[-1 - id]! : id
}

/** A runner works on a job in this state. */
export function holdsRunner(status: JobState | undefined): boolean {
  return status === 'running' || status === 'canceling'
}

async function tell(core: Core, stored: Stored<unknown>): Promise<void> {
  const { transitions } = stored
  if (transitions.some(({ job }) => job.status === 'pending')) core.queueGate.wake()
  if (transitions.some(({ job }) => job.status === 'scheduled')) core.reaperGate.wake()
  const ended = transitions.filter(
    ({ job, before }) => holdsRunner(before) && isCompleted(job.status),
  )
  if (ended.length > 0 || transitions.some(({ job }) => job.status === 'canceling')) {
    core.stopGate.wake()
  }
  if (stored.pipelineChanged) emitPipeline(core, stored.pipeline)
  for (const { job } of transitions) emitJob(core, job)
  for (const { job } of ended) await closeTrace(core, job.id)
}

async function closeTrace(core: Core, jobId: number): Promise<void> {
  try {
    await core.traces.close(jobId)
  } catch (error) {
    core.logger.error({ err: error, jobId }, 'The log of a job that has ended could not be closed')
  }
}

function emitPipeline(core: Core, pipeline: PipelineRecord): void {
  core.emit({
    type: 'pipeline',
    projectId: pipeline.projectId,
    pipelineId: pipeline.id,
    status: pipeline.status,
  })
}

function emitJob(core: Core, job: JobRecord): void {
  core.emit({
    type: 'job',
    projectId: job.projectId,
    pipelineId: job.pipelineId,
    jobId: job.id,
    status: job.status,
  })
}
