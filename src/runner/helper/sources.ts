/**
 * Gets a job's sources onto the builds volume: run inside the helper, told what to do by one JSON document on standard input
 * (`SourcesRequest`), prints what GitLab's runner prints, and ends with git's exit code.
 */
import { spawn } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { json } from 'node:stream/consumers'

/** What the runner tells. */
export interface SourcesRequest {
  directory: string
  temporaryDirectory: string
  /** Without credentials. */
  url: string
  /** `url prefix` → the same with credentials; kept outside of the repository. */
  rewrites: [plain: string, withCredentials: string][]
  strategy: 'fetch' | 'clone' | 'none' | 'empty'
  refspecs: string[]
  /** 0: everything. */
  depth: number
  sha: string
  ref: string
  checkout: boolean
  fetchFlags: string[]
  submodules: 'none' | 'normal' | 'recursive'
  submoduleDepth: number
  userAgent: string
}

const gatewayTimeoutMs = 10_000

process.umask(0)
const request = (await json(process.stdin)) as SourcesRequest
process.exitCode = await getSources(request)

async function getSources(job: SourcesRequest): Promise<number> {
  await mkdir(job.temporaryDirectory, { recursive: true })
  await mkdir(job.directory, { recursive: true })
  if (job.strategy === 'none' || job.strategy === 'empty') {
    notice('Skipping Git repository setup')
    notice('Skipping Git checkout')
    notice('Skipping Git submodules setup')
    return 0
  }
  await gatewayReady()
  await rm(job.directory, { recursive: true, force: true })
  const configuration = `${job.temporaryDirectory}/.gitlab-runner.ext.conf`
  await writeFile(configuration, externalConfiguration(job), { mode: 0o666 })
  notice(
    job.depth > 0
      ? `Fetching changes with git depth set to ${job.depth}...`
      : 'Fetching changes...',
  )
  const inside = (...words: string[]) => git(['-C', job.directory, ...words])
  const steps: (() => Promise<number> | number)[] = [
    () => git(['-c', 'init.defaultBranch=none', 'init', '--template=', job.directory]),
    () => inside('config', 'include.path', configuration),
    () => inside('config', 'fetch.recurseSubmodules', 'false'),
    () => inside('remote', 'add', 'origin', job.url),
    () => notice('Created fresh repository.'),
    () => inside(...fetchArguments(job)),
    ...(job.checkout
      ? [
          () =>
            notice(`Checking out ${job.sha.slice(0, 8)} as detached HEAD (ref is ${job.ref})...`),
          () => inside('-c', 'submodule.recurse=false', 'checkout', '-f', '-q', job.sha, '--'),
        ]
      : [() => notice('Skipping Git checkout')]),
    ...submoduleSteps(job, inside),
  ]
  for (const step of steps) {
    const exitCode = await step()
    if (exitCode !== 0) return exitCode
  }
  return 0
}

function fetchArguments(job: SourcesRequest): string[] {
  const depth = job.depth > 0 ? ['--depth', String(job.depth)] : []
  const flags = [...depth, '--no-recurse-submodules', ...job.fetchFlags]
  return ['-c', `http.userAgent=${job.userAgent}`, 'fetch', ...flags, 'origin', ...job.refspecs]
}

function submoduleSteps(
  job: SourcesRequest,
  inside: (...words: string[]) => Promise<number>,
): (() => Promise<number> | number)[] {
  if (job.submodules === 'none' || !job.checkout) {
    return [() => notice('\nSkipping Git submodules setup')]
  }
  const recursive = job.submodules === 'recursive' ? ['--recursive'] : []
  const depth = job.submoduleDepth > 0 ? ['--depth', String(job.submoduleDepth)] : []
  const rewrites = job.rewrites.flatMap(([plain, full]) => ['-c', `url.${full}.insteadOf=${plain}`])
  return [
    () =>
      notice(`Updating/initializing submodules${recursive.length > 0 ? ' recursively' : ''}...`),
    () => inside('submodule', 'init'),
    () => inside('submodule', 'sync', ...recursive),
    () => inside(...rewrites, 'submodule', 'update', '--init', ...recursive, ...depth),
    () => notice('Updated submodules'),
  ]
}

/** Included by the repository's own configuration: jobs can fetch and push on, and .git/config holds no secret. */
function externalConfiguration(job: SourcesRequest): string {
  const quoted = (text: string) => text.replace(/["\\]/g, '\\$&').replaceAll('\n', '')
  return job.rewrites
    .map(([plain, full]) => `[url "${quoted(full)}"]\n\tinsteadOf = "${quoted(plain)}"\n`)
    .join('')
}

function git(words: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const environment = {
      ...process.env,
      HOME: '/tmp',
      GIT_TERMINAL_PROMPT: '0',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_LFS_SKIP_SMUDGE: '1',
    }
    const child = spawn('git', words, {
      env: environment,
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code ?? (signal ? 128 : 1)))
  })
}

/** The gateway starts with this container: it may need a few more milliseconds. */
async function gatewayReady(): Promise<void> {
  const until = performance.now() + gatewayTimeoutMs
  while (!(await opens()) && performance.now() < until)
    await new Promise(resolve => setTimeout(resolve, 10))
}

function opens(): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(80, '127.0.0.1')
    socket.once('connect', () => resolve(socket.destroy() !== undefined))
    socket.once('error', () => resolve(false))
  })
}

function notice(text: string): 0 {
  process.stdout.write(`\x1b[32;1m${text}\x1b[0;m\n`)
  return 0
}
