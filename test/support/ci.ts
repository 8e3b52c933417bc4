/** Pipelines over the real store with memory adapters around them, and a runner that a test plays by hand. */
import { createHash } from 'node:crypto'
import type { Project, User } from '../../src/accounts/index.ts'
import type {
  CiEvent,
  CiLimits,
  CiUrls,
  NewPipeline,
  PipelineOutcome,
  Pipelines,
  Sources,
  TraceSink,
} from '../../src/ci/index.ts'
import { createPipelines } from '../../src/ci/index.ts'
import { Failure, manualClock, newToken, silentLogger, systemRandom } from '../../src/lib/index.ts'
import type { JobPayload, RunnerInfo } from '../../src/protocol/index.ts'
import { openStore } from '../../src/store/index.ts'

export const urls: CiUrls = {
  external: 'http://localhost:10080',
  internal: 'http://slipway.internal',
  registry: 'registry.slipway.internal',
}

export const user: User = {
  id: 1,
  uuid: '00000000-0000-4000-8000-000000000001',
  username: 'ada',
  name: 'Ada Byron',
  email: 'ada@example.com',
  admin: false,
  state: 'active',
  createdAt: 1,
}

/** A project of which only the id and the name differ from others. */
export function projectNamed(id: number, path = 'student-list'): Project {
  return {
    id,
    namespaceId: 7,
    name: 'Student list',
    path,
    fullPath: `pozos/${path}`,
    description: '',
    visibility: 'private',
    defaultBranch: 'master',
    creatorId: 1,
    createdAt: 1,
    updatedAt: 1,
  }
}

export const project = projectNamed(3)
export const sha = 'a'.repeat(40)

export const runnerInfo: RunnerInfo = {
  name: 'test',
  version: '1',
  features: { cancel_gracefully: true },
}

export interface CiHouse {
  pipelines: Pipelines
  clock: ReturnType<typeof manualClock>
  events: CiEvent[]
  traces: Map<number, Buffer>
  closedTraces: Set<number>
  artifacts: Map<string, Buffer>
  liveTokens: Map<number, string>
  kept: Map<number, string>
  /** The files of every commit. */
  files: Map<string, string>
  /** Of every commit from now on. */
  commitMessage: string
  push(yaml: string, request?: Partial<NewPipeline>): Promise<PipelineOutcome>
  close(): Promise<void>
}

/** Opens a house on `file`; two on the same file, one after the other, are a restart. */
export async function openCi(
  file = ':memory:',
  options: { limits?: Partial<CiLimits>; shared?: Pick<CiHouse, 'traces' | 'liveTokens'> } = {},
): Promise<CiHouse> {
  const store = await openStore(file)
  const clock = manualClock()
  const random = systemRandom
  const house: Omit<CiHouse, 'pipelines'> = {
    clock,
    events: [],
    traces: options.shared?.traces ?? new Map(),
    closedTraces: new Set(),
    artifacts: new Map(),
    liveTokens: options.shared?.liveTokens ?? new Map(),
    kept: new Map(),
    files: new Map(),
    commitMessage: 'Add the list\n\nWith ages.',
    push(yaml, request = {}) {
      house.files.set('.gitlab-ci.yml', yaml)
      const event = { project, user, ref: 'refs/heads/master', sha, source: 'push' as const }
      return pipelines.create({ ...event, ...request })
    },
    close: () => store.close(),
  }
  const pipelines = createPipelines({
    store: store.ci,
    sources: memorySources(house),
    traces: memoryTraces(house),
    artifacts: memoryArtifacts(house.artifacts),
    accounts: {
      user: async id => (id === user.id || id === user.username ? user : undefined),
      project: async id => projectNamed(id, id === project.id ? project.path : `project-${id}`),
      async issueJobToken({ jobId }) {
        const token = newToken(random, 'glcbt-')
        house.liveTokens.set(jobId, token)
        return token
      },
      async revokeJobToken(jobId) {
        house.liveTokens.delete(jobId)
      },
    },
    emit: event => house.events.push(event),
    urls,
    clock,
    random,
    logger: silentLogger,
    version: '17.4.0',
    limits: options.limits,
  })
  return Object.assign(house, { pipelines })
}

function memorySources(house: Omit<CiHouse, 'pipelines'>): Sources {
  return {
    reader: () => ({
      read: async path => house.files.get(path),
      paths: async () => [...house.files.keys()],
      project: async () => 'no_project',
      remote: async () => ({ reason: 'there is no network' }),
      template: async () => undefined,
    }),
    commit: async () => ({
      title: house.commitMessage.split('\n')[0]!,
      message: house.commitMessage,
      authorName: 'Ada Byron',
      authorEmail: 'ada@example.com',
      timestamp: '2026-11-23T07:02:10+00:00',
    }),
    changedPaths: async () => ['simple_api/student_age.ts'],
    changedSince: async () => undefined,
    async keep(_projectId, pipelineId, commit) {
      house.kept.set(pipelineId, commit)
    },
    async release(_projectId, pipelineId) {
      house.kept.delete(pipelineId)
    },
  }
}

function memoryTraces(house: Omit<CiHouse, 'pipelines'>): TraceSink {
  const sizeOf = (jobId: number) => house.traces.get(jobId)?.byteLength ?? 0
  return {
    async append(jobId, start, bytes) {
      if (start !== sizeOf(jobId)) return { written: false, size: sizeOf(jobId) }
      const whole = Buffer.concat([house.traces.get(jobId) ?? Buffer.alloc(0), bytes])
      house.traces.set(jobId, whole)
      return { written: true, size: whole.byteLength }
    },
    size: async jobId => sizeOf(jobId),
    async close(jobId) {
      house.closedTraces.add(jobId)
    },
    async delete(jobId) {
      house.traces.delete(jobId)
    },
  }
}

function memoryArtifacts(content: Map<string, Buffer>) {
  return {
    async write(body: AsyncIterable<Uint8Array>) {
      const bytes = await bytesOf(body)
      const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
      content.set(digest, bytes)
      return { digest, sizeBytes: bytes.byteLength }
    },
    has: async (digest: string) => content.has(digest),
    async read(digest: string) {
      const bytes = content.get(digest)
      if (!bytes) throw new Failure('not_found', 'no such content')
      return streamOf(bytes)
    },
    async delete(digest: string) {
      content.delete(digest)
    },
  }
}

/** The whole of a stream. */
export async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Bytes as a stream of one chunk. */
export async function* streamOf(bytes: Uint8Array | string): AsyncIterable<Uint8Array> {
  yield typeof bytes === 'string' ? Buffer.from(bytes) : bytes
}

/** A runner whose moves the test makes. */
export interface HandRunner {
  id: number
  token: string
  /** The next job; undefined when there is none now. */
  take(): Promise<JobPayload | undefined>
  succeed(job: JobPayload): Promise<void>
  fail(
    job: JobPayload,
    exitCode?: number,
    reason?: 'script_failure' | 'runner_system_failure',
  ): Promise<void>
  /** Takes and succeeds with everything that comes; the names in order. */
  runAll(): Promise<string[]>
}

/** Registers a runner. */
export async function handRunner(
  house: CiHouse,
  settings: { tags?: string[]; runUntagged?: boolean; graceful?: boolean } = {},
): Promise<HandRunner> {
  const { tags = [], runUntagged = true, graceful = true } = settings
  const { coordinator } = house.pipelines
  const description = `hand ${tags.join()} ${runUntagged}`
  const { id, token } = await house.pipelines.ensureRunner({ description, tags, runUntagged })
  const info = { ...runnerInfo, features: { cancel_gracefully: graceful } }
  const runner: HandRunner = {
    id,
    token,
    async take() {
      const stop = new AbortController()
      const request = coordinator.requestJob({ token, system_id: 's_1', info }, stop.signal)
      const empty = hasNothing(request)
      const first = await Promise.race([request, empty.then(() => 'nothing' as const)])
      if (first !== 'nothing') return first
      stop.abort()
      return request
    },
    async succeed(job) {
      await coordinator.updateJob(job.id, { token: job.token, state: 'success', exit_code: 0 })
    },
    async fail(job, exitCode = 1, reason = 'script_failure') {
      const update = { token: job.token, state: 'failed' as const, exit_code: exitCode }
      await coordinator.updateJob(job.id, { ...update, failure_reason: reason })
    },
    async runAll() {
      const names: string[] = []
      for (let job = await runner.take(); job; job = await runner.take()) {
        names.push(job.job_info.name)
        await runner.succeed(job)
      }
      return names
    },
  }
  return runner
}

/** Resolves after so many turns of the event loop that a job that was there would have been handed out. */
async function hasNothing(request: Promise<unknown>): Promise<void> {
  let isSettled = false
  const mark = () => {
    isSettled = true
  }
  request.then(mark, mark)
  for (let turn = 0; turn < 60 && !isSettled; turn++) {
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** Names and states of a pipeline's jobs, as one line each. */
export async function statesOf(
  house: CiHouse,
  pipelineId: number,
): Promise<Record<string, string>> {
  const jobs = await house.pipelines.jobs(pipelineId)
  return Object.fromEntries(jobs.map(job => [job.name, job.status]))
}

/** The id of a pipeline that was created; fails the test with the problems otherwise. */
export function createdId(outcome: PipelineOutcome): number {
  if (outcome.kind === 'created') return outcome.pipeline.id
  throw new Error(JSON.stringify(outcome))
}
