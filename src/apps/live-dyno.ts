import type { Engine } from '../engine/index.ts'
import { type Clock, messageOf, type Random, uuid } from '../lib/index.ts'
import type { Timing } from './apps.ts'
import { appLabels, containerSpec, type DynoSpec, networkName, port } from './containers.ts'
import { type FollowDeps, Follower } from './follow.ts'
import type { App, Apps, Dyno, Release } from './index.ts'
import type { Traffic } from './ports.ts'
import type { AppBackend } from './route.ts'

/** A process of an app and the container that it runs in. */
export interface LiveDyno {
  spec: DynoSpec
  containerId: string
  state: Dyno['state']
  /** In a row. */
  crashes: number
  /** It is being stopped: its end is no crash. */
  isLeaving: boolean
  /** Rejects, saying why in Heroku's words, when it doesn't come up. */
  ready: Promise<void>
  backend?: AppBackend
  follower?: Follower
  createdAt: number
  updatedAt: number
}

export interface DynoDeps extends FollowDeps {
  engine: Engine
  clock: Clock
  random: Random
  instanceId: string
  timing: Timing
  traffic: Traffic
  write: Apps['log']
  signal(): AbortSignal
}

const askEveryMs = 50

/** Creates and starts the container; `ready` tells when it serves. */
export async function startDyno(
  deps: DynoDeps,
  app: App,
  release: Release,
  one: { name: string; type: string; size: string },
  image: string,
): Promise<LiveDyno> {
  const { engine, clock, random, instanceId, timing, write } = deps
  const network = networkName(instanceId, app.id)
  const info = await engine.inspectImage(image)
  const command = [...(info?.entrypoint ?? []), ...(info?.command ?? [])].join(' ')
  const spec: DynoSpec = {
    ...{ id: uuid(random), appId: app.id, appName: app.name, image, command },
    ...{ name: one.name, type: one.type, size: one.size },
    ...{ releaseId: release.id, releaseVersion: release.version, config: release.config },
  }
  await write(app.id, 'heroku', one.name, `Starting process with command \`${command}\``)
  const suffix = Buffer.from(random.bytes(3)).toString('hex')
  const containerId = await engine.create(containerSpec(instanceId, spec, suffix, 10 << 20))
  const now = clock.now()
  const dyno: LiveDyno = {
    ...{ spec, containerId, state: 'starting', crashes: 0, isLeaving: false },
    ...{ ready: Promise.resolve(), createdAt: now, updatedAt: now },
  }
  try {
    await engine.start(containerId)
    const host = (await engine.inspect(containerId))?.addresses[network]
    dyno.follower = new Follower(deps, { appId: app.id, dyno: one.name, containerId }, false)
    if (one.type === 'web' && host !== undefined && host !== '')
      dyno.backend = { id: `${app.id}/${containerId}`, dyno: one.name, host, port }
    dyno.ready = untilReady(deps, dyno, timing)
    // whoever awaits it later still learns of a failure
    dyno.ready.catch(() => {})
  } catch (error) {
    await stopDyno(deps, dyno, 0)
    throw error
  }
  return dyno
}

async function untilReady(deps: DynoDeps, dyno: LiveDyno, timing: Timing): Promise<void> {
  const { engine, clock, traffic } = deps
  const isWeb = dyno.spec.type === 'web'
  const end = clock.now() + (isWeb ? timing.bootMs : timing.aliveMs)
  for (;;) {
    const state = await engine.inspect(dyno.containerId)
    if (state?.status !== 'running') {
      await dyno.follower?.ended(1_000)
      throw new Error(
        `Process exited with status ${state?.exitCode ?? 'unknown'} while it was starting`,
      )
    }
    const address = state.addresses[networkName(deps.instanceId, dyno.spec.appId)]
    if (isWeb && address && (await traffic.accepts(address, port, deps.signal()))) return
    if (clock.now() >= end) {
      if (!isWeb) return
      const seconds = Math.round(timing.bootMs / 1000)
      throw new Error(
        `Error R10 (Boot timeout) -> Web process failed to bind to $PORT within ${seconds} seconds of launch`,
      )
    }
    await clock.sleep(askEveryMs, deps.signal())
  }
}

/** SIGTERM, then SIGKILL after the grace; the container goes, its last lines are kept. */
export async function stopDyno(deps: DynoDeps, dyno: LiveDyno, graceMs: number): Promise<void> {
  dyno.isLeaving = true
  try {
    if (graceMs > 0) await deps.engine.stop(dyno.containerId, graceMs)
    else await deps.engine.kill(dyno.containerId, 'SIGKILL')
    await dyno.follower?.ended(1_000)
    await deps.engine.remove(dyno.containerId)
    await deps.store.deleteLogCursor(dyno.containerId)
  } catch (error) {
    deps.log.warn({ reason: messageOf(error), container: dyno.containerId }, 'dyno not removed')
  }
}

/** Once before the dynos of an app are started, not by each: an engine may make two networks of one name. */
export async function ensureNetwork(
  { engine, instanceId }: Pick<DynoDeps, 'engine' | 'instanceId'>,
  appId: string,
): Promise<void> {
  const labels = appLabels(instanceId, appId)
  const name = networkName(instanceId, appId)
  const { networks } = await engine.list(labels)
  if (!networks.some(one => one.name === name)) await engine.createNetwork(name, labels)
}
