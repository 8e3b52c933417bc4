import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../../bin/slipway', import.meta.url))
export const rootToken = 'glpat-root-token-for-tests-0123456789'
export const rootPassword = 'correct horse battery staple'

/** A real Slipway in a process of its own, on a free port, with a data directory of its own. */
export interface TestServer {
  readonly url: string
  readonly port: number
  readonly data: string
  /** What it wrote on standard error and output so far. */
  output(): string
  /** `kill -9`, and nothing else. */
  crash(): Promise<void>
  /** Starts it again on the same data directory and port. */
  start(): Promise<void>
  /** Ends it in order. The data directory goes with `remove`. */
  stop(): Promise<void>
  remove(): Promise<void>
  /** JSON over the GitLab API as root. Throws with the body on an error status. */
  api<T = unknown>(method: string, path: string, body?: unknown): Promise<T>
  /** JSON over the Heroku API as root. */
  heroku<T = unknown>(method: string, path: string, body?: unknown): Promise<T>
}

export interface TestServerOptions {
  env?: Record<string, string>
  flags?: string[]
  /** Copy nothing, start with what is in this directory. */
  data?: string
}

export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const port = await freePort()
  const data = options.data ?? mkdtempSync(path.join(tmpdir(), 'slipway-test-'))
  const url = `http://localhost:${port}`
  let child: ChildProcess | undefined
  let output = ''

  async function start(): Promise<void> {
    child = spawn(
      program,
      ['serve', '--data', data, '--listen', `127.0.0.1:${port}`, ...(options.flags ?? [])],
      {
        env: {
          ...process.env,
          SLIPWAY_ROOT_TOKEN: rootToken,
          SLIPWAY_ROOT_PASSWORD: rootPassword,
          SLIPWAY_LOG_LEVEL: 'info',
          ...options.env,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    const started = child
    for (const stream of [started.stdout, started.stderr]) {
      stream?.on('data', chunk => {
        output += chunk
      })
    }
    await until(`Slipway on ${url}`, async () => {
      if (started.exitCode !== null)
        throw new Error(`slipway serve ended with ${started.exitCode}:\n${output}`)
      return (await fetch(`${url}/-/health`).catch(() => undefined))?.ok
    })
  }

  function ended(): Promise<void> {
    const running = child
    if (running === undefined || running.exitCode !== null || running.signalCode !== null)
      return Promise.resolve()
    return new Promise(resolve => running.once('exit', () => resolve()))
  }

  async function call<T>(
    method: string,
    target: string,
    headers: Record<string, string>,
    body?: unknown,
  ): Promise<T> {
    const response = await fetch(target, {
      method,
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${target}: ${response.status} ${text}`)
    return (response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text) as T
  }

  await start()
  return {
    url,
    port,
    data,
    output: () => output,
    start,
    async crash() {
      child?.kill('SIGKILL')
      await ended()
    },
    async stop() {
      child?.kill('SIGTERM')
      await ended()
    },
    async remove() {
      child?.kill('SIGKILL')
      await ended()
      rmSync(data, { recursive: true, force: true })
    },
    api: (method, at, body) =>
      call(method, `${url}/api/v4${at}`, { 'private-token': rootToken }, body),
    heroku: (method, at, body) =>
      call(
        method,
        url + at,
        { authorization: `Bearer ${rootToken}`, accept: 'application/vnd.heroku+json; version=3' },
        body,
      ),
  }
}

/** The id that marks this instance's containers. */
export function instanceOf(server: TestServer): string {
  return readFileSync(path.join(server.data, 'keys/instance-id'), 'utf8').trim()
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

/** Asks again until the answer is truthy; throws after `timeoutMs` saying what was waited for. */
export async function until<T>(
  what: string,
  ask: () => Promise<T>,
  timeoutMs = 30_000,
  everyMs = 50,
): Promise<NonNullable<T>> {
  const end = Date.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for: ${what}`)
    await new Promise(resolve => setTimeout(resolve, everyMs))
  }
}
