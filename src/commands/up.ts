import { once } from 'node:events'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { Command } from 'commander'
import { systemClock } from '../lib/index.ts'
import { loadConfig } from './config.ts'
import { reachesDockerHub } from './images/reachable.ts'
import { cacheDirectory, seedImages } from './images/seed.ts'
import type { LocalServer } from './local-client.ts'
import { type Checklist, createChecklist } from './up/checklist.ts'
import { createClient } from './up/client.ts'
import { runDemo, summary } from './up/demo.ts'
import { ensureServer, stopServer } from './up/local.ts'

interface Options {
  exit?: boolean
  demo: boolean
  offline?: boolean
  data?: string
  listen?: string
}

/** What the sample's pipelines pull. */
const neededImages = ['docker', 'node', 'heroku-cli']

/** `slipway up`: what script/up runs once everything is set up. A client of the public API. */
export function upCommand(): Command {
  return new Command('up')
    .description('serve, and take the sample project from a push to production')
    .option('--exit', 'stop once both apps answered; the exit code tells whether they did')
    .option('--no-demo', 'only serve')
    .option('--offline', 'do not ask Docker Hub for base images: make stand-ins')
    .option('--data <dir>', 'data directory')
    .option('--listen <address>', 'where to listen when no server runs on the data directory yet')
    .action(async (options: Options) => {
      process.exitCode = await up(options)
    })
}

async function up(options: Options): Promise<number> {
  const { data, listen } = options
  const config = loadConfig({ flags: { data, listen }, env: process.env })
  const stop = new AbortController()
  const interrupt = () => stop.abort(new Error('interrupted'))
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  const checklist = createChecklist(process.stdout, systemClock.now)
  let server: Awaited<ReturnType<typeof ensureServer>> | undefined
  try {
    const isOffline = options.offline || (options.demo && !(await reachesDockerHub()))
    const serveArguments = [
      ...['--data', config.data],
      ...(listen === undefined ? [] : ['--listen', listen]),
      ...(options.offline ? ['--mirror-upstream', 'none'] : []),
    ]
    server = await checklist.step('Slipway serves', async note => {
      const started = await ensureServer(config.data, serveArguments, stop.signal)
      note(`${publicAddress(started.origin)}${started.child ? '' : ' (it did already)'}`)
      return started
    })
    tellPassword(config.data, checklist)
    if (options.demo) {
      if (isOffline) await seed(server, checklist, stop.signal)
      const client = createClient(server, stop.signal)
      const live = await runDemo({ client, server, checklist, signal: stop.signal })
      checklist.line(summary(live, path.join(config.data, 'root-password')))
    }
    if (!options.exit && server.child !== undefined) {
      checklist.line(`Slipway goes on serving; Ctrl-C ends it. Its log: ${server.logFile}`)
      await once(server.child, 'exit', { signal: stop.signal })
      checklist.line('slipway serve has ended')
      return 1
    }
    return 0
  } catch (error) {
    if (!stop.signal.aborted) throw error
    checklist.line('\nEnding in order; run it again to go on where this stopped.')
    return 130
  } finally {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
    if (server?.child !== undefined) await stopServer(server.child)
  }
}

/** People's browsers keep cookies and names below `localhost`. */
function publicAddress(origin: string): string {
  return origin.replace('127.0.0.1', 'localhost')
}

function tellPassword(data: string, checklist: Checklist): void {
  const file = path.resolve(data, 'root-password')
  if (existsSync(file)) checklist.line(`    user root, password in ${file}`)
}

async function seed(server: LocalServer, checklist: Checklist, signal: AbortSignal): Promise<void> {
  await checklist.step('stand-ins for base images, as Docker Hub is out of reach', async note => {
    await seedImages({
      server,
      cacheDirectory: cacheDirectory(process.env),
      only: neededImages,
      signal,
      onProgress: ({ name, step, done, total }) => note(`${done}/${total}, ${name} ${step}`),
    })
  })
}
