import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { git, type Ran } from './programs.ts'
import { rootToken, type TestServer, until } from './server.ts'

export interface TestPipeline {
  id: number
  status: string
  ref: string
  sha: string
  web_url: string
}

export interface TestJob {
  id: number
  name: string
  stage: string
  status: string
  failure_reason?: string
  pipeline: { id: number }
}

/** A working copy whose remote is a project of the test server. */
export interface TestProject {
  /** `root/demo` */
  readonly path: string
  readonly directory: string
  readonly remote: string
  /** Writes the files, commits, pushes `branch`. `stderr` has what the pusher reads. */
  push(
    files: Record<string, string>,
    options?: { branch?: string; message?: string; pushOptions?: string[] },
  ): Promise<Ran & { sha: string }>
  /** The newest pipeline of a ref once it has ended (or has the status asked for). */
  pipeline(ref: string, status?: string, timeoutMs?: number): Promise<TestPipeline>
  jobs(pipelineId: number): Promise<TestJob[]>
  /** The newest job of that name once it has the status asked for. */
  job(name: string, status?: string, timeoutMs?: number): Promise<TestJob>
  trace(jobId: number): Promise<string>
  remove(): void
}

export const ended = ['success', 'failed', 'canceled', 'skipped']

export async function createProject(server: TestServer, at: string): Promise<TestProject> {
  const directory = mkdtempSync(path.join(tmpdir(), 'slipway-work-'))
  const remote = `http://root:${rootToken}@localhost:${server.port}/${at}.git`
  const encoded = encodeURIComponent(at)
  await git(directory, 'init', '-q')

  return {
    path: at,
    directory,
    remote,
    async push(files, options = {}) {
      const branch = options.branch ?? 'master'
      await git(directory, 'checkout', '-q', '-B', branch)
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(path.dirname(path.join(directory, name)), { recursive: true })
        writeFileSync(path.join(directory, name), content)
      }
      await git(directory, 'add', '-A')
      await git(directory, 'commit', '-q', '--allow-empty', '-m', options.message ?? 'change')
      const pushOptions = (options.pushOptions ?? []).flatMap(one => ['-o', one])
      const pushed = await git(directory, 'push', '-q', ...pushOptions, remote, branch)
      const head = await git(directory, 'rev-parse', 'HEAD')
      return { ...pushed, sha: head.stdout.trim() }
    },
    pipeline: (ref, status, timeoutMs) =>
      until(
        `pipeline of ${ref} ${status ?? 'to end'}`,
        async () => {
          const [newest] = await server.api<TestPipeline[]>(
            'GET',
            `/projects/${encoded}/pipelines?ref=${encodeURIComponent(ref)}&per_page=1`,
          )
          return newest !== undefined &&
            (status === undefined ? ended.includes(newest.status) : newest.status === status)
            ? newest
            : undefined
        },
        timeoutMs ?? 120_000,
      ),
    jobs: pipelineId =>
      server.api('GET', `/projects/${encoded}/pipelines/${pipelineId}/jobs?per_page=100`),
    job: (name, status, timeoutMs) =>
      until(
        `job ${name} ${status ?? 'to end'}`,
        async () => {
          const jobs = await server.api<TestJob[]>('GET', `/projects/${encoded}/jobs?per_page=100`)
          const newest = jobs.filter(job => job.name === name).sort((a, b) => b.id - a.id)[0]
          return newest !== undefined &&
            (status === undefined ? ended.includes(newest.status) : newest.status === status)
            ? newest
            : undefined
        },
        timeoutMs ?? 120_000,
      ),
    trace: jobId => server.api('GET', `/projects/${encoded}/jobs/${jobId}/trace`),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}

/** A job in the small image that the tests seed. */
export function ciFile(jobs: Record<string, unknown>): string {
  return JSON.stringify({ image: 'busybox:latest', ...jobs }, null, 2)
}
