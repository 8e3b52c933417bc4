import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { MemoryProcess, Program } from './process.ts'

/** Exit code of a program that SIGTERM ended. */
const terminatedCode = 143
const unknownStepCode = 127

/**
 * A program whose command is the script, one step a word: `print TEXT`, `put TEXT` (without a line end), `warn TEXT`, `env NAME`, `read PATH`, `cat` (standard input to output), `sleep MS`,
 * `serve` (HTTP on `$PORT` until SIGTERM), `hang` (until SIGTERM), `deaf` (ignores SIGTERM), `oom`, `exit N`. Ends with 0 after the last step.
 */
export const steps: Program = async process => {
  for (const step of process.command) {
    const [name = '', ...words] = step.split(' ')
    const run = stepTable[name]
    if (run === undefined) {
      process.warn(`${name}: not found\n`)
      return unknownStepCode
    }
    const exitCode = await run(process, words.join(' '))
    if (exitCode !== undefined) return exitCode
  }
  return 0
}

type Step = (process: MemoryProcess, text: string) => Promise<number | undefined>

const stepTable: Readonly<Record<string, Step>> = {
  async print(process, text) {
    process.print(`${text}\n`)
    return undefined
  },
  async put(process, text) {
    process.print(text)
    return undefined
  },
  async warn(process, text) {
    process.warn(`${text}\n`)
    return undefined
  },
  async env(process, name) {
    process.print(`${process.env[name] ?? ''}\n`)
    return undefined
  },
  async read(process, path) {
    const bytes = process.files.get(path)
    if (bytes !== undefined) {
      process.print(bytes)
      return undefined
    }
    process.warn(`${path}: No such file or directory\n`)
    return 1
  },
  async cat(process) {
    for await (const bytes of process.stdin) process.print(bytes)
    return undefined
  },
  async sleep(process, text) {
    await process.sleep(Number(text))
    return undefined
  },
  serve: process => web()(process),
  async hang(process) {
    await ended(process)
    return terminatedCode
  },
  async deaf(process) {
    await aborted(process.killed)
    return undefined
  },
  oom: async process => process.runOutOfMemory(),
  exit: async (_process, text) => Number(text),
}

/** A web process: listens on `$PORT` of its container's address after `startMs`, until SIGTERM. Without a listener it answers 200 with its name. */
export function web(
  options: { listener?: (process: MemoryProcess) => RequestListener; startMs?: number } = {},
): Program {
  return async process => {
    await process.sleep(options.startMs ?? 0)
    const server = createServer(
      options.listener?.(process) ??
        ((_request, response) => response.end(`${process.spec.name}\n`)),
    )
    server.listen(Number(process.env['PORT'] ?? 8080), process.address)
    await once(server, 'listening')
    process.print(`listening on ${process.env['PORT'] ?? 8080}\n`)
    await ended(process)
    server.closeIdleConnections()
    if (process.killed.aborted) server.closeAllConnections()
    else process.killed.addEventListener('abort', () => server.closeAllConnections())
    await new Promise(resolve => server.close(resolve))
    return terminatedCode
  }
}

/** Prints, then ends with that code. */
export function exits(exitCode: number, output = ''): Program {
  return async process => {
    process.print(output)
    return exitCode
  }
}

/** Never listens, never ends by itself. */
export const hangs: Program = async process => {
  await ended(process)
  return terminatedCode
}

/** Images that every memory engine can pull, chosen by name alone. */
export const builtInImages: Readonly<Record<string, Program>> = {
  'memory/steps:latest': steps,
  'memory/web:latest': web(),
  'memory/ok:latest': exits(0, 'ok\n'),
  'memory/fails:latest': exits(1, 'failed\n'),
  'memory/hangs:latest': hangs,
  'memory/out-of-memory:latest': async process => process.runOutOfMemory(),
}

function ended(process: MemoryProcess): Promise<void> {
  return Promise.race([aborted(process.terminated), aborted(process.killed)])
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}
