import { crc32 } from 'node:zlib'
import { Gate } from '../../src/lib/index.ts'
import type { Coordinator, JobPayload, JobStatus, JobUpdate } from '../../src/protocol/index.ts'

export interface MemoryJob {
  readonly payload: JobPayload
  status: JobStatus
  trace: Buffer
  /** When the server had so many bytes, ms since the epoch. */
  arrivals: { size: number; at: number }[]
  updates: JobUpdate[]
  finished: Promise<JobUpdate>
}

/** A coordinator that hands out what a test gives it and keeps what the runner says. */
export function createMemoryCoordinator() {
  const jobs = new Map<number, MemoryJob & { finish: (update: JobUpdate) => void }>()
  const queue: number[] = []
  const changed = new Gate()
  const set = (id: number, status: JobStatus) => {
    jobs.get(id)!.status = status
    changed.wake()
  }
  const coordinator: Coordinator = {
    async requestJob(_, signal) {
      while (queue.length === 0 && !signal.aborted) await changed.wait(signal)
      const id = signal.aborted ? undefined : queue.shift()
      if (id === undefined) return undefined
      set(id, 'running')
      return jobs.get(id)!.payload
    },
    async updateJob(id, update) {
      const job = jobs.get(id)!
      job.updates.push(update)
      if (update.state === 'running') return { accepted: true, status: job.status }
      const accepted = job.status === 'running' || job.status === 'canceling'
      if (accepted) set(id, update.state)
      job.finish(update)
      return { accepted, status: job.status }
    },
    async appendTrace(id, _token, start, bytes) {
      const job = jobs.get(id)!
      const size = job.trace.length
      if (job.status !== 'running' && job.status !== 'canceling')
        return { result: 'forbidden', size, status: job.status }
      if (start !== size) return { result: 'range_mismatch', size, status: job.status }
      job.trace = Buffer.concat([job.trace, bytes])
      job.arrivals.push({ size: job.trace.length, at: Date.now() })
      changed.wake()
      return { result: 'accepted', size: job.trace.length, status: job.status }
    },
    async canceled(id, signal) {
      const over = () => ['canceling', 'canceled', 'failed'].includes(jobs.get(id)!.status)
      while (!over() && !signal.aborted) await changed.wait(signal)
      return over() ? jobs.get(id)!.status : undefined
    },
    async uploadArtifact() {},
    async downloadArtifact() {
      throw new Error('no artifacts here')
    },
  }
  return {
    coordinator,
    jobs,
    add(payload: JobPayload): MemoryJob {
      let finish: (update: JobUpdate) => void = () => {}
      const finished = new Promise<JobUpdate>(resolve => {
        finish = resolve
      })
      const start = {
        status: 'pending' as const,
        trace: Buffer.alloc(0),
        arrivals: [],
        updates: [],
      }
      const job = { payload, ...start, finished, finish }
      jobs.set(payload.id, job)
      queue.push(payload.id)
      changed.wake()
      return job
    },
    set,
    /** Resolves when the job's log holds the text. */
    async said(id: number, text: string, signal: AbortSignal): Promise<void> {
      while (!jobs.get(id)!.trace.includes(text)) {
        if (signal.aborted) throw new Error(`never said ${text}:\n${jobs.get(id)!.trace}`)
        await changed.wait(signal)
      }
    },
  }
}

/** What a job's final update must tell about its log. */
export function outputOf(trace: Buffer): { checksum: string; bytesize: number } {
  return {
    checksum: `crc32:${crc32(trace).toString(16).padStart(8, '0')}`,
    bytesize: trace.length,
  }
}

/** A job with the members that every job has; `change` is laid over it. */
export function jobPayload(
  id: number,
  script: string[],
  change: Partial<JobPayload> = {},
): JobPayload {
  return {
    id,
    token: `glcbt-job-token-${id}`,
    allow_git_fetch: true,
    job_info: {
      name: 'test',
      stage: 'test',
      project_id: 7,
      project_name: 'student-list',
      project_full_path: 'pozos/student-list',
      pipeline_id: 3,
      user_id: 1,
      time_in_queue_seconds: 0,
      project_jobs_running_on_instance_runners_count: '0',
    },
    git_info: {
      repo_url: `http://gitlab-ci-token:glcbt-job-token-${id}@localhost:10080/pozos/student-list.git`,
      repo_object_format: 'sha1',
      ref: 'master',
      sha: '0'.repeat(40),
      before_sha: '0'.repeat(40),
      ref_type: 'branch',
      refspecs: ['+refs/heads/master:refs/remotes/origin/master'],
      depth: 20,
      protected: true,
    },
    runner_info: { uuid: '', timeout: 3600 },
    variables: [],
    steps: [{ name: 'script', script, timeout: 3600, when: 'on_success', allow_failure: false }],
    image: { name: 'busybox:latest' },
    services: [],
    artifacts: null,
    cache: [],
    credentials: [],
    dependencies: [],
    features: { trace_sections: true, token_mask_prefixes: [], failure_reasons: [] },
    ...change,
  }
}
