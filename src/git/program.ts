import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { Failure } from '../lib/index.ts'

const defaultTimeoutMs = 60_000
const defaultMaxBytes = 64 * 1024 * 1024
const keptErrorBytes = 4096
const graceMs = 5000

/**
 * The settings under which git always runs here. They come by the environment, so that they also hold for the programs that git starts, and they beat a repository's own
 * file. No hook, no attribute, no setting comes from a person's home, the system or a pushed repository.
 */
const settings: Readonly<Record<string, string>> = {
  'core.hooksPath': '/dev/null',
  'core.attributesFile': '/dev/null',
  'core.fsync': 'loose-object,pack,pack-metadata,reference',
  'core.fsyncMethod': 'batch',
  'core.bigFileThreshold': '32m',
  'core.quotePath': 'false',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'pack.threads': '1',
  'pack.windowMemory': '64m',
  'pack.deltaCacheSize': '32m',
  'protocol.allow': 'never',
  'receive.advertisePushOptions': 'true',
  'receive.autogc': 'false',
  'receive.denyDeleteCurrent': 'refuse',
  'receive.fsckObjects': 'true',
  'receive.hideRefs': 'refs/pipelines',
  'safe.directory': '*',
  'transfer.fsckObjects': 'true',
  'uploadpack.allowFilter': 'true',
  'uploadpack.allowReachableSHA1InWant': 'true',
}

/** Runs the git program: argument arrays only, a scrubbed environment, bounded in time and output. */
export interface GitProgram {
  /** Collects standard output. Throws `GitError` for another exit code than 0. */
  run(directory: string, args: readonly string[], options?: RunOptions): Promise<Buffer>
  /** For streams in both directions; the caller watches it end. */
  spawn(
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
    more?: Readonly<Record<string, string>>,
  ): GitProcess
  /** Ends what runs: SIGTERM, upon which git removes its locks and temporary files, then SIGKILL. */
  close(): Promise<void>
}

export interface RunOptions {
  input?: string
  timeoutMs?: number
  maxBytes?: number
  /** Settings on top. */
  settings?: Readonly<Record<string, string>>
}

export interface GitProcess {
  readonly child: ChildProcessWithoutNullStreams
  /** Exit code, or the signal's name; and the beginning of what it wrote to standard error. */
  readonly ended: Promise<{ exitCode: number | null; signal: string | null; errors: string }>
}

/** git said no. `errors` is what it wrote. */
export class GitError extends Error {
  readonly errors: string

  constructor(args: readonly string[], exitCode: number | null, errors: string) {
    super(`git ${args[0]} ended with ${exitCode}: ${errors.trim()}`)
    this.name = 'GitError'
    this.errors = errors
  }
}

export function createGitProgram(path: string): GitProgram {
  const running = new Set<GitProcess>()
  let isClosed = false

  function start(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    more: Readonly<Record<string, string>> = {},
  ): GitProcess {
    if (isClosed) throw new Failure('unavailable', 'Slipway is stopping.')
    const child = spawn('git', args, {
      cwd: '/',
      env: { ...environment(path, { ...settings, ...more }), ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let errors = ''
    child.stderr.setEncoding('utf8')
    child.stderr.on('data', (text: string) => {
      if (errors.length < keptErrorBytes) errors += text.slice(0, keptErrorBytes - errors.length)
    })
    // a program that ends early closes its input below us; what it says tells why
    child.stdin.on('error', () => {})
    const ended = new Promise<Awaited<GitProcess['ended']>>((resolve, reject) => {
      child.on('error', error => reject(notStarted(error)))
      child.on('close', (exitCode, signal) => resolve({ exitCode, signal, errors }))
    })
    const process = { child, ended }
    running.add(process)
    ended.catch(() => {}).finally(() => running.delete(process))
    return process
  }

  async function run(directory: string, args: readonly string[], options: RunOptions = {}) {
    const { child, ended } = start([`--git-dir=${directory}`, ...args], {}, options.settings)
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? defaultTimeoutMs)
    const maxBytes = options.maxBytes ?? defaultMaxBytes
    const parts: Buffer[] = []
    let size = 0
    try {
      child.stdin.end(options.input ?? '')
      for await (const part of child.stdout) {
        size += part.length
        if (size > maxBytes)
          throw new Failure('too_large', `git's answer is over ${maxBytes} bytes.`)
        parts.push(part as Buffer)
      }
      const { exitCode, signal, errors } = await ended
      if (signal !== null) throw new Failure('unavailable', `git ${args[0]} took too long.`)
      if (exitCode !== 0) throw new GitError(args, exitCode, errors)
      return Buffer.concat(parts)
    } finally {
      clearTimeout(timer)
      if (size > maxBytes) child.kill('SIGKILL')
    }
  }

  return {
    run,
    spawn: start,
    async close() {
      isClosed = true
      await Promise.all([...running].map(end))
    },
  }
}

async function end({ child, ended }: GitProcess): Promise<void> {
  child.stdin.destroy()
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
  await ended.catch(() => {})
  clearTimeout(timer)
}

function environment(
  path: string,
  config: Readonly<Record<string, string>>,
): Record<string, string> {
  const entries = Object.entries(config)
  const env: Record<string, string> = {
    PATH: path,
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_COUNT: String(entries.length),
  }
  for (const [index, [key, value]] of entries.entries()) {
    env[`GIT_CONFIG_KEY_${index}`] = key
    env[`GIT_CONFIG_VALUE_${index}`] = value
  }
  return env
}

function notStarted(error: Error): Failure {
  return new Failure('unavailable', `The git program could not be started: ${error.message}.`, {
    hint: 'Install git 2.34 or newer and put it on the PATH.',
    cause: error,
  })
}
