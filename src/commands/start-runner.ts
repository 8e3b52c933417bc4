import type { Pipelines } from '../ci/index.ts'
import type { Engine } from '../engine/index.ts'
import {
  systemClock as clock,
  type Logger,
  messageOf,
  systemRandom as random,
  Secret,
} from '../lib/index.ts'
import { createRunner, type Platform } from '../runner/index.ts'
import type { Addresses } from './addresses.ts'
import type { Config } from './config.ts'
import type { DataDirectory } from './data-directory.ts'
import { ensureHelperImage } from './images/helper.ts'
import { imagePuller } from './images/pull.ts'
import { version } from './version.ts'

const engineRetryMs = 2000

/** Starts the runner of this process once the engine answers, and runs until the signal aborts. */
export async function startRunner(options: {
  config: Config
  pipelines: Pipelines
  engine: Engine
  instance: string
  addresses: Addresses
  platform: Platform
  data: DataDirectory
  log: Logger
  signal: AbortSignal
}): Promise<void> {
  const { config, engine, addresses, platform, log, signal } = options
  if (config.runnerConcurrency === 0) return
  if (!(await engineIsThere(engine, log, signal))) return
  const { token } = await options.pipelines.ensureRunner({
    description: 'this machine',
    tags: [],
    runUntagged: true,
  })
  let helper: Promise<string> | undefined
  const runner = createRunner({
    coordinator: options.pipelines.coordinator,
    token: new Secret(token),
    systemId: `s_${options.instance.replaceAll('-', '').padEnd(12, '0').slice(0, 12)}`,
    engine,
    instanceId: options.instance,
    helperImage: () => {
      helper ??= ensureHelperImage(engine).catch(error => {
        helper = undefined
        throw error
      })
      return helper
    },
    pullImage: imagePuller({
      engine,
      address: addresses.local,
      mirrorsDockerHub: config.intercept.includes('dockerhub'),
      ownHosts: [addresses.internalRegistry, new URL(addresses.url).host],
    }),
    platform,
    config: {
      name: 'this machine',
      concurrency: config.runnerConcurrency,
      privilegedServices: config.runnerPrivileged,
    },
    version: version(),
    clock,
    random,
    log,
  })
  await runner.cleanup()
  if (config.runnerPrivileged.length > 0)
    log.info(
      { images: config.runnerPrivileged },
      'jobs may run these service images privileged (Docker-in-Docker): whoever may push here is root on this machine',
    )
  await runner.run(signal)
}

async function engineIsThere(engine: Engine, log: Logger, signal: AbortSignal): Promise<boolean> {
  let isTold = false
  while (!signal.aborted) {
    try {
      await engine.info(signal)
      return true
    } catch (error) {
      if (!isTold)
        log.warn(
          { reason: messageOf(error) },
          "the container engine doesn't answer yet: jobs and apps wait for it",
        )
      isTold = true
      await clock.sleep(engineRetryMs, signal).catch(() => {})
    }
  }
  return false
}
