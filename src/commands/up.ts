/** `slipway up`: from an empty data directory to live apps, as a client of the public API; then it serves until Ctrl-C. */
import { Command } from 'commander'
import { Failure } from '../lib/index.ts'
import { reachesDockerHub } from './images/reachable.ts'
import { cacheDirectory, seedImages } from './images/seed.ts'
import { createChecklist } from './up/checklist.ts'
import { createClient } from './up/client.ts'
import { demoApps, prepareDemo, runDemo } from './up/demo.ts'
import { ensureServer } from './up/ensure-server.ts'
import { describeResult } from './up/result.ts'

interface UpOptions {
  data: string
  listen?: string
  exit?: boolean
  demo: boolean
  offline?: boolean
}

export function upCommand(): Command {
  return new Command('up')
    .description('serve, and take the sample app from a push to production')
    .option('--data <dir>', 'folder that holds everything', './data')
    .option('--listen <host:port>', 'address to listen on (default: 127.0.0.1:10080)')
    .option('--exit', 'end after the result; exit code 0 only if both apps answered')
    .option('--no-demo', 'only serve')
    .option('--offline', 'make stand-ins of the base images without asking for Docker Hub first')
    .action(async (options: UpOptions) => {
      const stop = new AbortController()
      for (const signal of ['SIGINT', 'SIGTERM'] as const)
        process.once(signal, () =>
          stop.abort(
            new Failure('unavailable', 'stopped', {
              hint: 'Run it again: it goes on where it was.',
            }),
          ),
        )
      process.exitCode = await up(options, stop.signal)
    })
}

async function up(options: UpOptions, signal: AbortSignal): Promise<number> {
  const list = createChecklist(process.stdout)
  const server = await list.step('Slipway serves', async () => {
    const found = await ensureServer(options, signal)
    return { value: found, text: `${found.url}${found.isOurs ? '' : ' (it ran already)'}` }
  })
  try {
    list.note(`user root, password in ${server.passwordFile}`)
    if (!options.demo) {
      if (!options.exit) await server.ended(signal)
      return 0
    }
    const client = createClient(server.local)
    await list.step('Base images', async tell => {
      if (!options.offline && (await reachesDockerHub()))
        return { value: undefined, text: 'from Docker Hub, through the mirror' }
      const images = await seedImages({
        server: server.local,
        cacheDirectory: cacheDirectory(process.env),
        signal,
        onProgress: progress => tell(`${progress.name} (${progress.done} of ${progress.total})`),
      })
      return {
        value: undefined,
        text: `no Docker Hub here: ${images.length} stand-ins from this machine's packages`,
      }
    })
    await prepareDemo(client, list, signal)
    const result = await runDemo({ client, list, signal, url: server.url, data: options.data })
    console.log(describeResult(result, server.url, server.passwordFile))
    const isLive = result.every(app => app.answers)
    if (options.exit) return isLive ? 0 : 1
    console.log(`${demoApps.length} apps; Slipway serves until Ctrl-C.`)
    await server.ended(signal)
    return isLive ? 0 : 1
  } catch (error) {
    list.fail()
    if (signal.aborted) {
      console.error(
        '\nStopped. What was done is kept: run script/up again and it goes on from there.',
      )
      return 130
    }
    throw error
  } finally {
    await server.stop()
  }
}
