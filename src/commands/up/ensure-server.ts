import { spawn } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Failure, systemClock } from '../../lib/index.ts'
import { findLocalServer, type LocalServer } from '../local-client.ts'

const main = fileURLToPath(new URL('../../main.ts', import.meta.url))
const startTimeoutMs = 30_000
const askEveryMs = 50

export interface UpServer {
  readonly local: LocalServer
  /** For people. */
  readonly url: string
  readonly passwordFile: string
  /** We started it, so we end it. */
  readonly isOurs: boolean
  /** Resolves when it has ended or the signal aborts. */
  ended(signal: AbortSignal): Promise<void>
  stop(): Promise<void>
}

/** The Slipway that serves from the data directory, started when there is none. */
export async function ensureServer(
  options: { data: string; listen?: string },
  signal: AbortSignal,
): Promise<UpServer> {
  const passwordFile = path.resolve(options.data, 'root-password')
  const running = await answering(options.data)
  if (running !== undefined)
    return {
      local: running,
      url: publicUrl(running),
      passwordFile,
      isOurs: false,
      ended: waitFor,
      stop: async () => {},
    }

  const listen = options.listen === undefined ? [] : ['--listen', options.listen]
  const child = spawn(process.execPath, [main, 'serve', '--data', options.data, ...listen], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { SLIPWAY_LOG_LEVEL: 'warn', ...process.env },
    // Ctrl-C is ours to pass on, in order
    detached: true,
  })
  let complaint = ''
  child.stderr.on('data', chunk => {
    complaint = (complaint + chunk).slice(-4000)
  })
  const exit = new Promise<void>(resolve => child.once('exit', () => resolve()))
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await exit
  }
  const end = systemClock.now() + startTimeoutMs
  for (;;) {
    const local = await answering(options.data)
    if (local !== undefined)
      return {
        local,
        url: publicUrl(local),
        passwordFile,
        isOurs: true,
        stop,
        ended: async aborted => Promise.race([exit, waitFor(aborted)]),
      }
    const hasEnded = child.exitCode !== null
    if (hasEnded || signal.aborted || systemClock.now() > end) {
      await stop()
      throw new Failure(
        'unavailable',
        `Slipway did not start: ${complaint.trim() || 'it said nothing'}`,
      )
    }
    await systemClock.sleep(askEveryMs, signal).catch(() => {})
  }
}

/** Its addresses may be left over from a process that was killed: only an answer counts. */
async function answering(data: string): Promise<LocalServer | undefined> {
  try {
    const local = await findLocalServer(data)
    const response = await fetch(`${local.origin}/-/health`, { signal: AbortSignal.timeout(2000) })
    return response.ok ? local : undefined
  } catch {
    return undefined
  }
}

function publicUrl(local: LocalServer): string {
  return `http://localhost:${new URL(local.origin).port}`
}

function waitFor(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    // an open handle: nothing else keeps this process alive
    const alive = setInterval(() => {}, 60_000)
    signal.addEventListener('abort', () => {
      clearInterval(alive)
      resolve()
    })
  })
}
