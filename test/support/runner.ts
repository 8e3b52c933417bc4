import { mkdtempSync, rmSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openCertificates } from '../../src/commands/certificates.ts'
import { openDataDirectory } from '../../src/commands/data-directory.ts'
import { ensureHelperImage } from '../../src/commands/images/helper.ts'
import type { Engine } from '../../src/engine/index.ts'
import {
  Failure,
  type Logger,
  Secret,
  silentLogger,
  systemClock,
  systemRandom,
} from '../../src/lib/index.ts'
import type { JobPayload } from '../../src/protocol/index.ts'
import { createRunner, type RunnerConfig, type RunnerOptions } from '../../src/runner/index.ts'
import { startGitPlatform } from './git-platform.ts'
import { createMemoryCoordinator, jobPayload, type MemoryJob } from './memory-coordinator.ts'

export const platformNames = [
  'slipway.internal',
  'registry.slipway.internal',
  'registry.heroku.com',
  'api.heroku.com',
  'registry-1.docker.io',
  'index.docker.io',
  'auth.docker.io',
  'docker.io',
]

/** A runner on a real engine with a git repository behind its gateway. Images are those that are on the engine. */
export async function startTestRunner(
  engine: Engine,
  options: {
    config?: Partial<RunnerConfig>
    files?: Record<string, string>
    handle?: RequestListener
    pullImage?: RunnerOptions['pullImage']
    log?: Logger
  } = {},
) {
  const directory = mkdtempSync(join(tmpdir(), 'slipway-runner-'))
  const data = openDataDirectory(directory)
  const certificates = openCertificates(data, platformNames, systemClock, systemRandom)
  const platform = await startGitPlatform({
    files: options.files ?? { 'README.md': '# Students\n' },
    tls: certificates.server,
    handle: options.handle,
  })
  const memory = createMemoryCoordinator()
  const instanceId = `test-${Buffer.from(systemRandom.bytes(4)).toString('hex')}`
  const runner = createRunner({
    coordinator: memory.coordinator,
    token: new Secret('glrt-t1_0123456789abcdef'),
    systemId: 's_0123456789ab',
    engine,
    instanceId,
    helperImage: () => ensureHelperImage(engine),
    pullImage: options.pullImage ?? (reference => onEngine(engine, reference)),
    platform: {
      names: platformNames,
      socketDirectory: platform.socketDirectory,
      url: 'http://slipway.internal',
      publicUrls: ['http://localhost:10080'],
      ...certificates,
    },
    config: options.config,
    version: '0.0.0',
    clock: systemClock,
    random: systemRandom,
    log: options.log ?? silentLogger,
  })
  const stopping = new AbortController()
  const running = runner.run(stopping.signal)
  let lastId = 0
  return {
    memory,
    platform,
    runner,
    instanceId,
    /** Queues a job with this script at the repository's tip. */
    add(script: string[], change: Partial<JobPayload> = {}): MemoryJob {
      const payload = jobPayload(++lastId, script, change)
      return memory.add({ ...payload, git_info: { ...payload.git_info, sha: platform.sha } })
    },
    /** What is on the engine of this runner's jobs. */
    async leftovers(): Promise<string[]> {
      const found = await engine.list({ 'slipway.instance': instanceId })
      return [...found.containers, ...found.networks, ...found.volumes].map(({ name }) => name)
    },
    /** Stops the runner and waits for its cleanup. */
    async stop() {
      stopping.abort()
      await running
    },
    async close() {
      stopping.abort()
      await running
      await runner.cleanup()
      await platform.close()
      data.unlock()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function onEngine(engine: Engine, reference: string) {
  const image = await engine.inspectImage(reference)
  if (image === undefined) throw new Failure('not_found', `manifest for ${reference} not found`)
  return image
}
