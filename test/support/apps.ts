import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { User } from '../../src/accounts/index.ts'
import { type Apps, createApps, type Timing } from '../../src/apps/index.ts'
import { createMemoryAppends } from '../../src/blobs/index.ts'
import { acceptsConnections } from '../../src/commands/traffic.ts'
import type { Engine } from '../../src/engine/index.ts'
import { sha256, silentLogger, systemClock, systemRandom } from '../../src/lib/index.ts'
import { createLogs } from '../../src/logs/index.ts'
import { createRouter, type Router } from '../../src/router/index.ts'
import { openStore, type Store } from '../../src/store/index.ts'

export const user: User = {
  id: 1,
  uuid: '00000000-0000-4000-8000-000000000001',
  username: 'ada',
  name: 'Ada',
  email: 'ada@example.com',
  admin: false,
  state: 'active',
  createdAt: 0,
}
export const by = { user }

const testTiming: Timing = {
  bootMs: 5_000,
  aliveMs: 100,
  drainMs: 5_000,
  stopGraceMs: 2_000,
  firstBackoffMs: 10,
  maxBackoffMs: 200,
}

/** Apps over a real store, real logs and a real router, on the given engine. An image's reference stands for what a registry would have. */
export interface AppsWorld extends AsyncDisposable {
  apps: Apps
  store: Store
  router: Router
  /** Stops Slipway's part; the containers go on. */
  stop(): Promise<void>
  /** As the next process of Slipway would. */
  start(): void
  /** GET through the router: status and body. */
  get(appName: string, path?: string): Promise<{ status: number; body: string }>
  /** Releases `reference` as that type, and waits for the release's end. */
  deploy(appId: string, reference: string, type?: string): ReturnType<Apps['released']>
  log(appId: string): Promise<string>
  /** Waits until it is true; looks again whenever apps tell something. */
  until(isTrue: () => boolean | Promise<boolean>): Promise<void>
}

export async function openAppsWorld(
  engine: Engine,
  options: { timing?: Partial<Timing>; instanceId?: string; store?: Store } = {},
): Promise<AppsWorld> {
  const store = options.store ?? (await openStore(':memory:'))
  const logs = createLogs({ store: createMemoryAppends() })
  const references = new Map<string, string>()
  const agent = new Agent({ keepAlive: true })
  let told = () => {}
  const router = createRouter({ clock: systemClock, random: systemRandom, onRequest() {} })
  const front = createServer((incoming, outgoing) => router.handle(incoming, outgoing))
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  const { port } = front.address() as AddressInfo
  let apps: Apps
  let stopping = new AbortController()
  let running: Promise<void> = Promise.resolve()

  const setRoute = async (appId: string) => {
    const app = await apps.find(appId)
    if (app === undefined) router.delete(appId)
    else router.set({ appId, hosts: [`${app.name}.localhost`], ...(await apps.route(appId)) })
  }
  const make = () =>
    createApps({
      store: store.apps,
      engine,
      logs,
      clock: systemClock,
      random: systemRandom,
      log: silentLogger,
      instanceId: options.instanceId ?? 'test',
      timing: { ...testTiming, ...options.timing },
      async emit(event) {
        if (event.type === 'route' || event.type === 'app') await setRoute(event.appId)
        told()
      },
      images: {
        async resolve(repository, reference) {
          if (reference.startsWith('missing')) return undefined
          const digest = `sha256:${sha256(reference)}`
          references.set(digest, reference)
          return { repository, digest, configDigest: digest }
        },
        async pull({ digest }, signal) {
          const reference = references.get(digest)!
          if ((await engine.inspectImage(reference)) === undefined)
            await engine.pull(reference, { signal })
          return reference
        },
      },
      traffic: {
        accepts: acceptsConnections,
        drained: (backend, timeoutMs) => router.drained(backend, timeoutMs),
      },
    })
  const start = () => {
    stopping = new AbortController()
    apps = make()
    world.apps = apps
    running = apps.run(stopping.signal)
  }
  const stop = async () => {
    stopping.abort(new Error('stopped'))
    await running
  }
  const world: AppsWorld = {
    apps: undefined as unknown as Apps,
    store,
    router,
    start,
    stop,
    get: (name, path = '/') =>
      new Promise((resolve, reject) => {
        request(
          { host: '127.0.0.1', port, path, agent, headers: { host: `${name}.localhost` } },
          response => {
            let body = ''
            response.on('data', chunk => {
              body += chunk
            })
            response.on('end', () => resolve({ status: response.statusCode!, body }))
            response.on('error', reject)
          },
        )
          .on('error', reject)
          .end()
      }),
    async deploy(appId, reference, type = 'web') {
      await apps.updateFormation(appId, [{ type, image: reference }], by)
      const release = (await apps.releases(appId)).at(-1)!
      return apps.released(release.id, AbortSignal.timeout(60_000))
    },
    async log(appId) {
      const key = apps.logKey(appId)
      let text = ''
      for await (const chunk of await logs.read(key, 0)) text += Buffer.from(chunk).toString()
      return text
    },
    async until(isTrue) {
      while (!(await isTrue()))
        await new Promise<void>(resolve => {
          const timer = setTimeout(resolve, 50)
          told = () => {
            clearTimeout(timer)
            resolve()
          }
        })
    },
    async [Symbol.asyncDispose]() {
      await stop()
      agent.destroy()
      await router.close()
      front.closeAllConnections()
      front.close()
      if (options.store === undefined) await store.close()
    },
  }
  start()
  return world
}
