/** The composition root: builds every module with its adapters and starts them. The program is a value: start it, close it; tests do the same. */
import { argon2Hashing, createAccounts } from '../accounts/index.ts'
import { createApi } from '../api/index.ts'
import { type Apps, createApps } from '../apps/index.ts'
import { createFsAppends, createFsBlobs } from '../blobs/index.ts'
import { createPipelines } from '../ci/index.ts'
import { connectionFrom, createDockerEngine } from '../engine/docker/index.ts'
import { createEvents } from '../events.ts'
import { createFlow } from '../flow.ts'
import { createGit } from '../git/index.ts'
import {
  systemClock as clock,
  Failure,
  type Logger,
  newToken,
  systemRandom as random,
} from '../lib/index.ts'
import { createLogs } from '../logs/index.ts'
import { createRegistry, type Registry } from '../registry/index.ts'
import { createRouter } from '../router/index.ts'
import { openStore } from '../store/index.ts'
import { addressesOf } from './addresses.ts'
import type { Config } from './config.ts'
import { consoleBuild, serveConsole } from './console.ts'
import { type DataDirectory, instanceId, openDataDirectory } from './data-directory.ts'
import { createHealth } from './health.ts'
import { httpClient } from './http-client.ts'
import { imageOrigins } from './image-origins.ts'
import { listen } from './listen.ts'
import { pipelineSources } from './pipeline-sources.ts'
import { careForRegistry, pinsOfReleases } from './registry-care.ts'
import { ensureRoot } from './root.ts'
import { startRunner } from './start-runner.ts'
import { acceptsConnections } from './traffic.ts'
import { version } from './version.ts'

export interface RunningServer {
  readonly url: string
  /** File with root's generated password, when there is one. */
  readonly passwordFile?: string
  /** Ends in order; apps and their containers keep running. */
  close(): Promise<void>
}

/** Key of a job's trace in `logs`. */
const traceKey = (jobId: number) => `traces/${jobId}`

/** Starts everything on the configured address. Throws a `Failure` for what the operator can mend: a taken port, a held data directory. */
export async function startServer(config: Config, log: Logger): Promise<RunningServer> {
  const data = openDataDirectory(config.data)
  const stop = new AbortController()
  try {
    return await build(config, data, log, stop)
  } catch (error) {
    stop.abort()
    data.unlock()
    throw error
  }
}

async function build(
  config: Config,
  data: DataDirectory,
  log: Logger,
  stop: AbortController,
): Promise<RunningServer> {
  const instance = instanceId(data, random)
  const addresses = addressesOf(config)
  const store = await openStore(data.at('slipway.db'))
  const accounts = createAccounts({
    store: store.accounts,
    clock,
    random,
    hashing: argon2Hashing(),
  })
  await ensureRoot(accounts, data, config, random)

  const events = createEvents(clock)
  const flow = createFlow({
    publish: events.publish,
    url: addresses.url,
    hostsOf: addresses.hostsOf,
    log,
  })
  const blobs = createFsBlobs({ directory: data.at('blobs') })
  const logs = createLogs({ store: createFsAppends({ directory: data.at('logs') }) })
  const engine = createDockerEngine(
    connectionFrom({
      ...process.env,
      ...(config.dockerHost && { DOCKER_HOST: config.dockerHost }),
    }),
  )
  const git = createGit({
    directory: data.at('git'),
    accounts,
    store: store.git,
    clock,
    log,
    onPush: flow.onPush,
  })
  const pipelines = createPipelines({
    store: store.ci,
    sources: pipelineSources(git, accounts),
    traces: {
      append: (jobId, start, bytes) => logs.append(traceKey(jobId), bytes, start),
      size: jobId => logs.size(traceKey(jobId)),
      close: jobId => logs.close(traceKey(jobId)),
      delete: jobId => logs.delete(traceKey(jobId)),
    },
    artifacts: {
      write: async body => blobs.put(body),
      has: async digest => (await blobs.stat(digest)) !== undefined,
      read: digest => blobs.read(digest),
      delete: digest => blobs.delete(digest),
    },
    accounts,
    emit: flow.onCi,
    urls: {
      external: addresses.url,
      internal: addresses.internalUrl,
      registry: addresses.internalRegistry,
    },
    ...{ clock, random, logger: log, version: version() },
  })
  const origins = imageOrigins(pipelines)
  const registry: Registry = createRegistry({
    ...{ store: store.registry, blobs, accounts, clock, random, log },
    appFor: name => rightsOf(apps, name),
    usedBy: async digest => (await pinsOfReleases(store.apps)).get(digest),
    onEvent: event => {
      if (event.jobId !== undefined && event.configDigest !== undefined)
        origins.learn(event.configDigest, event.jobId)
      flow.onRegistry(event)
    },
    signingKey: Buffer.from(data.secretFile('keys/registry-key', () => newToken(random, '', 48))),
    upstreams: upstreamsOf(config),
    http: httpClient,
  })
  const router = createRouter({
    clock,
    random,
    onRequest: line => {
      apps
        .log(line.appId, 'heroku', 'router', line.text)
        .catch(error => log.warn({ error }, 'router line not written'))
    },
  })
  const apps: Apps = createApps({
    ...{
      store: store.apps,
      engine,
      logs,
      clock,
      random,
      log,
      instanceId: instance,
      emit: flow.onApp,
    },
    timing: { bootMs: config.bootTimeout * 1000 },
    images: {
      async resolve(repository, reference) {
        const manifest = await registry.resolve(repository, reference)
        if (manifest?.configDigest === undefined) return undefined
        return {
          repository: manifest.repository,
          digest: manifest.digest,
          configDigest: manifest.configDigest,
        }
      },
      async pull(image, signal) {
        const auth = await registry.pullCredential(image.repository)
        const pulled = await engine.pull(
          `${addresses.local()}/${image.repository}@${image.digest}`,
          { auth, signal },
        )
        return pulled.id
      },
    },
    traffic: {
      accepts: acceptsConnections,
      drained: (backend, timeoutMs) => router.drained(backend, timeoutMs),
    },
  })
  flow.join({ git, pipelines, apps, router })

  const health = createHealth({ engine, clock })
  const api = await createApi({
    ...{
      accounts,
      git,
      pipelines,
      registry,
      apps,
      logs,
      events,
      origins,
      traceKey,
      clock,
      random,
      log,
      health,
    },
    version: version(),
    revision: 'source',
    urls: {
      external: addresses.url,
      app: addresses.appUrl,
      registryHost: new URL(addresses.url).host,
    },
  })
  const front = {
    isAppHost: (host: string) => addresses.isAppHost(host) || router.knows(host),
    router,
    handlers: [
      registry.handle,
      git.handle,
      async (request, response) => api.handle(request, response),
      serveConsole(consoleBuild, addresses.url),
    ] satisfies import('./front.ts').Handler[],
    log,
  }
  // what an earlier process left is settled before anyone can add to it
  await pipelines.recover()
  await git.recover()
  const listening = await listen({ config, data, addresses, front, instance, log })
  const background = [
    pipelines.run(stop.signal),
    apps.run(stop.signal),
    careForRegistry(registry, clock, stop.signal),
    startRunner({
      config,
      pipelines,
      engine,
      instance,
      addresses,
      platform: listening.platform,
      data,
      log,
      signal: stop.signal,
    }),
  ].map(task =>
    task.catch(error => stop.signal.aborted || log.error({ error }, 'a background task ended')),
  )

  return {
    url: addresses.url,
    passwordFile: data.at('root-password'),
    async close() {
      stop.abort(new Failure('unavailable', 'Slipway stops'))
      await listening.close()
      await Promise.all(background)
      await api.close()
      await router.close()
      await git.close()
      await engine.close()
      await store.close()
      data.unlock()
    },
  }
}

async function rightsOf(
  apps: Apps,
  name: string,
): Promise<{ ownerId: number; collaboratorIds: number[] } | undefined> {
  const app = await apps.find(name)
  if (app === undefined) return undefined
  return { ownerId: app.ownerId, collaboratorIds: await apps.collaborators(app.id) }
}

function upstreamsOf(config: Config) {
  if (config.mirrorUpstream === 'none') return []
  return [{ prefix: 'docker.io', url: config.mirrorUpstream, realmHosts: ['auth.docker.io'] }]
}
