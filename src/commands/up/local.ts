import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { request } from 'undici'
import { Failure } from '../../lib/index.ts'
import { findLocalServer, type LocalServer } from '../local-client.ts'

const main = fileURLToPath(new URL('../../main.ts', import.meta.url))
const startTimeoutMs = 30_000
const stopTimeoutMs = 20_000

export interface StartedServer extends LocalServer {
  /** Undefined when it served already. */
  child: ChildProcess | undefined
  logFile: string
}

/** The server that serves from the data directory, or one started now as a process of its own, whose log goes to a file there. */
export async function ensureServer(
  data: string,
  serveArguments: readonly string[],
  signal: AbortSignal,
): Promise<StartedServer> {
  const logFile = path.join(path.resolve(data), 'serve.log')
  const running = await answering(data)
  if (running !== undefined) return { ...running, child: undefined, logFile }
  mkdirSync(path.dirname(logFile), { recursive: true, mode: 0o700 })
  const log = openSync(logFile, 'w', 0o600)
  // A session of its own: Ctrl-C reaches us alone, and we end it in order.
  const child = spawn(process.execPath, [main, 'serve', ...serveArguments], {
    detached: true,
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  try {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(startTimeoutMs)])
    for (;;) {
      const server = await answering(data)
      if (server !== undefined) return { ...server, child, logFile }
      signal.throwIfAborted()
      if (child.exitCode !== null || deadline.aborted) throw didNotStart(logFile)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  } catch (error) {
    await stopServer(child)
    throw error
  }
}

/** In order, with SIGKILL only when that takes too long. */
export function stopServer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise(resolve => {
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
    child.once('exit', () => {
      clearTimeout(timer)
      resolve()
    })
    child.kill('SIGTERM')
  })
}

async function answering(data: string): Promise<LocalServer | undefined> {
  try {
    const server = await findLocalServer(data)
    const answer = await request(`${server.origin}/-/health`, { signal: AbortSignal.timeout(2000) })
    await answer.body.dump()
    return answer.statusCode === 200 ? server : undefined
  } catch {
    return undefined
  }
}

function didNotStart(logFile: string): Failure {
  const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-12)
  return new Failure('unavailable', `slipway serve did not start:\n    ${lines.join('\n    ')}`, {
    hint: `Its whole log: ${logFile}`,
  })
}
