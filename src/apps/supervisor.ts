/** Makes what runs match the current release: releases, scaling, crashes, adoption after a restart. One app's work is done one piece after the other. */
import { Failure, type Gate, KeyedMutex, messageOf } from '../lib/index.ts'
import type { AppsOptions, Timing } from './apps.ts'
import { appLabels, foundOf, instanceLabels, networkName, port } from './containers.ts'
import { backoffMs, nextState } from './dyno.ts'
import { Follower } from './follow.ts'
import { desiredDynos } from './formation.ts'
import type { App, Apps, Dyno, Release } from './index.ts'
import { type DynoDeps, ensureNetwork, type LiveDyno, startDyno, stopDyno } from './live-dyno.ts'
import type { LogBook } from './log-book.ts'
import { sameImages, supersede } from './release.ts'
import { routeOf } from './route.ts'

export interface SupervisorOptions extends Omit<AppsOptions, 'timing'> {
  timing: Timing
  book: LogBook
  write: Apps['log']
  logKey: Apps['logKey']
  /** Opened whenever a release ends. */
  settled: Gate
}

const engineRetryMs = 2_000
const resyncMs = 60_000
const superseded = 'superseded by a newer release before it started'

export function createSupervisor(options: SupervisorOptions) {
  const { store, engine, clock, log, emit, write, timing } = options
  const live = new Map<string, LiveDyno[]>()
  /** Dynos on their way out, by app. */
  const leaving = new Map<string, Set<Promise<void>>>()
  const mutex = new KeyedMutex()
  let stop: AbortSignal = new AbortController().signal
  let isReady = false
  const deps: DynoDeps = { ...options, signal: () => stop }

  const dynosOf = (appId: string) => live.get(appId) ?? []

  async function changeState(
    dyno: LiveDyno,
    event: Parameters<typeof nextState>[1],
  ): Promise<void> {
    const before = dyno.state
    dyno.state = nextState(before, event)
    if (dyno.state === before) return
    dyno.updatedAt = clock.now()
    await write(
      dyno.spec.appId,
      'heroku',
      dyno.spec.name,
      `State changed from ${before} to ${dyno.state}`,
    )
    emit({ type: 'dyno', appId: dyno.spec.appId, name: dyno.spec.name, state: dyno.state })
  }

  /** Releases that wait, newest wins; then what is missing or too many. */
  function wake(appId: string, also: { replaceTypes?: string[] } = {}): void {
    if (!isReady || stop.aborted) return
    mutex
      .run(appId, async () => {
        await releasePending(appId)
        await reconcile(appId, also.replaceTypes ?? [])
      })
      .catch(error => {
        if (stop.aborted) return
        log.error({ appId, reason: messageOf(error) }, 'app not brought to its desired state')
        retryLater(appId, engineRetryMs)
      })
  }

  function retryLater(appId: string, ms: number): void {
    clock.sleep(ms, stop).then(
      () => wake(appId),
      () => {},
    )
  }

  async function releasePending(appId: string): Promise<void> {
    for (;;) {
      const app = await store.app(appId)
      const pending = await waiting(appId)
      const { run, joined, dropped } = supersede(pending)
      if (run === undefined || app === undefined || stop.aborted) return
      const failure = await tryRelease(app, run)
      if (failure === undefined) continue
      if (stop.aborted) return
      for (const one of dropped) await settle(one, superseded)
      for (const one of joined) await settle(one, failure)
    }
  }

  /** The pending releases that are newer than the current one; those that it overtook end here, so that they can never run after it. */
  async function waiting(appId: string): Promise<Release[]> {
    const pending = await store.pendingReleases(appId)
    if (pending.length === 0) return []
    const current = (await store.releases(appId)).find(one => one.current)
    const isOvertaken = (one: Release) => current !== undefined && one.version < current.version
    for (const one of pending.filter(isOvertaken))
      await settle(one, sameImages(one.images, current!.images) ? undefined : superseded)
    return pending.filter(one => !isOvertaken(one))
  }

  /** Returns why it failed, or undefined. */
  async function tryRelease(app: App, release: Release): Promise<string | undefined> {
    const desired = desiredDynos(await store.formation(app.id), release.images)
    const fresh: LiveDyno[] = []
    try {
      const images = await pullAll(release, new Set(desired.map(one => one.type)))
      await ensureNetwork(deps, app.id)
      const current = dynosOf(app.id)
      const attempts = desired.map(async one => {
        const dyno = await startDyno(deps, app, release, one, images.get(one.type)!)
        fresh.push(dyno)
        await dyno.ready
        await changeState(dyno, 'ready')
      })
      const results = await Promise.allSettled(attempts)
      const broken = results.find(result => result.status === 'rejected')
      if (broken !== undefined) throw broken.reason
      // The pointer first: after a crash between the two, the next start adopts the new ones.
      await settle(release, undefined, true)
      live.set(app.id, fresh)
      await emit({ type: 'route', appId: app.id })
      // One that ended between being ready and being known has told nobody.
      resync().catch(report)
      for (const dyno of current) retire(dyno)
      return undefined
    } catch (error) {
      const lastLines = fresh.flatMap(dyno => dyno.follower?.lastLines(10) ?? [])
      await Promise.all(fresh.map(dyno => stopDyno(deps, dyno, 0)))
      const why = [messageOf(error), ...lastLines.map(line => `  ${line}`)].join('\n')
      if (!stop.aborted) {
        await write(app.id, 'heroku', 'api', `Release v${release.version} failed: ${why}`)
        await settle(release, why)
        await emit({ type: 'route', appId: app.id })
      }
      return why
    }
  }

  async function settle(
    release: Release,
    failure: string | undefined,
    current = false,
  ): Promise<void> {
    const status = failure === undefined ? ('succeeded' as const) : ('failed' as const)
    const end = { status, current, at: clock.now(), ...(failure !== undefined && { failure }) }
    if (!(await store.settleRelease(release.id, end))) return
    emit({ type: 'release', appId: release.appId, version: release.version, status })
    options.settled.wake()
  }

  async function pullAll(
    release: Release,
    types: ReadonlySet<string>,
  ): Promise<Map<string, string>> {
    const pulled = new Map<string, string>()
    for (const type of types)
      pulled.set(type, await options.images.pull(release.images[type]!, stop))
    return pulled
  }

  /** Starts what the current release wants and doesn't have, retires what it doesn't want. */
  async function reconcile(appId: string, replaceTypes: readonly string[]): Promise<void> {
    const app = await store.app(appId)
    const release = (await store.releases(appId)).find(one => one.current)
    if (app === undefined || release === undefined) return
    const desired = desiredDynos(await store.formation(appId), release.images)
    const isWanted = (dyno: LiveDyno) =>
      dyno.spec.releaseId === release.id &&
      !replaceTypes.includes(dyno.spec.type) &&
      desired.some(one => one.name === dyno.spec.name)
    const surplus = dynosOf(appId).filter(dyno => !isWanted(dyno))
    const missing = desired.filter(
      one => !dynosOf(appId).some(dyno => dyno.spec.name === one.name && isWanted(dyno)),
    )
    if (missing.length > 0) {
      const images = await pullAll(release, new Set(missing.map(one => one.type)))
      await ensureNetwork(deps, appId)
      await Promise.all(missing.map(one => bringUp(app, release, one, images.get(one.type)!, 0)))
    }
    live.set(
      appId,
      dynosOf(appId).filter(dyno => !surplus.includes(dyno)),
    )
    await emit({ type: 'route', appId })
    for (const dyno of surplus) retire(dyno)
  }

  /** Starts one dyno of a release that is current; when it ends, tries again with growing pauses. */
  async function bringUp(
    app: App,
    release: Release,
    one: { name: string; type: string; size: string },
    image: string,
    crashes: number,
  ): Promise<void> {
    const dyno = await startDyno(deps, app, release, one, image)
    dyno.crashes = crashes
    live.set(app.id, [
      ...dynosOf(app.id).filter(
        other => other.spec.name !== one.name || other.spec.releaseId !== release.id,
      ),
      dyno,
    ])
    try {
      await dyno.ready
      await changeState(dyno, 'ready')
    } catch (error) {
      if (stop.aborted) return
      await write(app.id, 'heroku', one.name, messageOf(error))
      await crashed(dyno)
    }
  }

  /** It ended by itself, or never listened. */
  async function crashed(dyno: LiveDyno): Promise<void> {
    if (dyno.isLeaving || dyno.state === 'crashed') return
    const { appId } = dyno.spec
    await changeState(dyno, 'ended')
    const wasStable = clock.now() - dyno.createdAt > timing.maxBackoffMs
    dyno.crashes = wasStable ? 1 : dyno.crashes + 1
    await emit({ type: 'route', appId })
    await dyno.follower?.ended(1_000)
    await engine
      .remove(dyno.containerId)
      .catch(error => log.warn({ reason: messageOf(error) }, 'container not removed'))
    // Not awaited: whoever told of the crash may hold the app's turn.
    startAgain(dyno).catch(report)
  }

  /** After a pause, until it runs or isn't wanted any more. */
  async function startAgain(dyno: LiveDyno): Promise<void> {
    const { appId, name } = dyno.spec
    let isDone = false
    for (let tries = dyno.crashes; !isDone && !stop.aborted; tries++) {
      const pause = backoffMs(tries, timing.firstBackoffMs, timing.maxBackoffMs)
      await clock.sleep(pause, stop).catch(() => {})
      if (stop.aborted) return
      await mutex
        .run(appId, async () => {
          isDone = dyno.isLeaving || !dynosOf(appId).includes(dyno)
          const app = await store.app(appId)
          const release = await store.releaseById(dyno.spec.releaseId)
          if (isDone || app === undefined || release === undefined) return
          const image = await options.images.pull(release.images[dyno.spec.type]!, stop)
          await write(appId, 'heroku', name, 'State changed from crashed to starting')
          await bringUp(app, release, dyno.spec, image, dyno.crashes)
          isDone = true
          await emit({ type: 'route', appId })
        })
        .catch(report)
    }
  }

  /** Starts a successor, and only when that is up, ends the old one. */
  async function replace(app: App, old: LiveDyno): Promise<void> {
    const release = await store.releaseById(old.spec.releaseId)
    const image = release?.images[old.spec.type]
    if (release === undefined || image === undefined) return
    const pulled = await options.images.pull(image, stop)
    const next = await startDyno(deps, app, release, old.spec, pulled)
    try {
      await next.ready
    } catch (error) {
      await stopDyno(deps, next, 0)
      if (stop.aborted) return
      const text = `Restart failed, the old process goes on: ${messageOf(error)}`
      return write(app.id, 'heroku', old.spec.name, text)
    }
    await changeState(next, 'ready')
    const isThere = dynosOf(app.id).includes(old)
    live.set(
      app.id,
      isThere ? dynosOf(app.id).map(one => (one === old ? next : one)) : dynosOf(app.id),
    )
    await emit({ type: 'route', appId: app.id })
    retire(isThere ? old : next)
  }

  /** Out of the route already: goes on behind the app's turn, so that the next release needn't wait for it. */
  function retire(dyno: LiveDyno): void {
    if (dyno.isLeaving) return
    dyno.isLeaving = true
    const { appId } = dyno.spec
    const ending = end(dyno)
      .catch(report)
      .finally(() => leaving.get(appId)?.delete(ending))
    leaving.set(appId, (leaving.get(appId) ?? new Set()).add(ending))
  }

  /** Lets requests end, then stops it. */
  async function end(dyno: LiveDyno): Promise<void> {
    const { appId, name } = dyno.spec
    if (dyno.backend !== undefined && dyno.state === 'up')
      await options.traffic.drained(dyno.backend.id, timing.drainMs)
    await write(appId, 'heroku', name, 'Stopping all processes with SIGTERM')
    await stopDyno(deps, dyno, timing.stopGraceMs)
    await changeState(dyno, 'stopped')
  }

  async function died(containerId: string, exitCode: number | undefined): Promise<void> {
    for (const dynos of live.values()) {
      const dyno = dynos.find(one => one.containerId === containerId)
      if (dyno === undefined || dyno.isLeaving || dyno.state !== 'up') continue
      await write(
        dyno.spec.appId,
        'heroku',
        dyno.spec.name,
        `Process exited with status ${exitCode ?? 'unknown'}`,
      )
      await crashed(dyno)
    }
  }

  /** Containers that an earlier process left: those of a current release are adopted, the rest goes. */
  async function adopt(): Promise<void> {
    const { containers } = await engine.list(instanceLabels(options.instanceId))
    for (const container of containers) {
      const found = foundOf(container)
      const app = await store.app(found.appId)
      const release = await store.releaseById(found.releaseId)
      const type = found.dyno.replace(/\.\d+$/, '')
      const host = container.addresses[networkName(options.instanceId, found.appId)]
      const isTaken = dynosOf(found.appId).some(dyno => dyno.spec.name === found.dyno)
      const isAdoptable =
        app &&
        release?.current &&
        container.status === 'running' &&
        host !== undefined &&
        !isTaken &&
        (type !== 'web' || (await options.traffic.accepts(host, port, stop)))
      if (!isAdoptable) {
        await engine.remove(container.id)
        continue
      }
      const now = clock.now()
      const spec = {
        ...{
          id: found.dynoId,
          appId: app.id,
          appName: app.name,
          name: found.dyno,
          type,
          size: found.size,
        },
        ...{
          releaseId: release.id,
          releaseVersion: release.version,
          config: release.config,
          image: container.image,
          command: '',
        },
      }
      const dyno: LiveDyno = {
        ...{ spec, containerId: container.id, state: 'up', crashes: 0, isLeaving: false },
        ...{ ready: Promise.resolve(), createdAt: container.startedAt ?? now, updatedAt: now },
        ...(type === 'web' && {
          backend: { id: `${app.id}/${container.id}`, dyno: found.dyno, host, port },
        }),
        follower: new Follower(
          options,
          { appId: app.id, dyno: found.dyno, containerId: container.id },
          true,
        ),
      }
      live.set(app.id, [...dynosOf(app.id), dyno])
    }
  }

  async function watch(signal: AbortSignal): Promise<void> {
    for await (const event of engine.events(instanceLabels(options.instanceId), signal)) {
      if (event.type === 'die' && event.id !== undefined)
        died(event.id, event.exitCode).catch(report)
      if (event.type === 'resync') resync().catch(report)
    }
  }

  /** Events may have been missed: what we think runs is compared with what does. */
  async function resync(): Promise<void> {
    const { containers } = await engine.list(instanceLabels(options.instanceId))
    const running = new Set(containers.filter(one => one.status === 'running').map(one => one.id))
    for (const dyno of [...live.values()].flat())
      if (dyno.state === 'up' && !running.has(dyno.containerId))
        died(dyno.containerId, undefined).catch(report)
  }

  const report = (error: unknown) => {
    if (!stop.aborted) log.error({ reason: messageOf(error) }, 'apps: a step failed')
  }

  return {
    wake,
    dynos: (appId: string): Dyno[] =>
      dynosOf(appId).map(({ spec, state, createdAt, updatedAt }) => {
        const { id, name, type, command, size, releaseId, releaseVersion } = spec
        return {
          id,
          appId,
          name,
          type,
          command,
          state,
          releaseId,
          releaseVersion,
          size,
          createdAt,
          updatedAt,
        }
      }),
    async route(appId: string): ReturnType<Apps['route']> {
      const [app, releases, formation] = [
        await store.app(appId),
        await store.releases(appId),
        await store.formation(appId),
      ]
      const web = dynosOf(appId).filter(dyno => dyno.spec.type === 'web')
      return routeOf({
        maintenance: app?.maintenance ?? false,
        current: releases.find(one => one.current),
        newest: releases.at(-1),
        formation,
        web: web.map(({ state, backend }) => ({ state, backend })),
      })
    },
    /** Replaces dynos one by one after their successors are up, without a new release. */
    async restart(appId: string, what: { type?: string; name?: string }): Promise<void> {
      const isMeant = (dyno: LiveDyno) =>
        (what.name === undefined || dyno.spec.name === what.name) &&
        (what.type === undefined || dyno.spec.type === what.type)
      if (what.name !== undefined && !dynosOf(appId).some(isMeant))
        throw new Failure('not_found', "Couldn't find that dyno.")
      // Asked for is enough: it goes on after the answer.
      mutex
        .run(appId, async () => {
          const app = await store.app(appId)
          if (app === undefined) return
          await ensureNetwork(deps, appId)
          await Promise.all(
            dynosOf(appId)
              .filter(isMeant)
              .map(dyno => replace(app, dyno)),
          )
        })
        .catch(report)
    },
    destroy: (appId: string) =>
      mutex.run(appId, async () => {
        const dynos = dynosOf(appId)
        live.delete(appId)
        for (const dyno of dynos) dyno.isLeaving = true
        await Promise.all(dynos.map(dyno => stopDyno(deps, dyno, timing.stopGraceMs)))
        await Promise.all(leaving.get(appId) ?? [])
        leaving.delete(appId)
        // Also what isn't known here: an earlier process's, not adopted yet.
        const { containers } = await engine.list(appLabels(options.instanceId, appId))
        for (const container of containers) await engine.remove(container.id)
        await engine.removeNetwork(networkName(options.instanceId, appId))
      }),
    async run(signal: AbortSignal): Promise<void> {
      stop = signal
      while (!signal.aborted && !isReady) {
        try {
          await adopt()
          isReady = true
        } catch (error) {
          log.debug({ reason: messageOf(error) }, 'apps wait for the engine')
          live.clear()
          await clock.sleep(engineRetryMs, signal).catch(() => {})
        }
      }
      for (const app of await store.apps()) {
        await emit({ type: 'route', appId: app.id })
        wake(app.id)
      }
      const safety = (async () => {
        while (!signal.aborted) {
          await clock.sleep(resyncMs, signal).catch(() => {})
          if (!signal.aborted) await resync().catch(report)
        }
      })()
      await watch(signal).catch(report)
      await safety
      await Promise.all([...live.values()].flat().map(dyno => dyno.follower?.stop()))
      await options.book.settled()
    },
  }
}
