/** The use cases: what people and pipelines ask of apps. What then runs is the supervisor's business. */
import type { Engine } from '../engine/index.ts'
import {
  type Clock,
  Failure,
  Gate,
  KeyedMutex,
  type Logger,
  type Random,
  uuid,
} from '../lib/index.ts'
import { changeConfig, describeConfigChange } from './config-vars.ts'
import { changeFormation, describeFormation } from './formation.ts'
import type { App, AppEvent, Apps, By, Release, ReleaseImage } from './index.ts'
import { LogBook } from './log-book.ts'
import { logLine, splitText } from './log-lines.ts'
import { checkAppName, nameTaken, randomAppName } from './names.ts'
import type { AppLogs, AppStore, ImageSource, Traffic } from './ports.ts'
import { describeImages, newestStanding, sameImages } from './release.ts'
import { createSupervisor } from './supervisor.ts'

export interface AppsOptions {
  store: AppStore
  engine: Engine
  logs: AppLogs
  images: ImageSource
  traffic: Traffic
  /** May return a promise: for `route` it is waited for before old processes are drained. */
  emit(event: AppEvent): void | Promise<void>
  clock: Clock
  random: Random
  log: Logger
  instanceId: string
  timing?: Partial<Timing>
}

/** Milliseconds. */
export interface Timing {
  /** A web process must listen on `$PORT` by then (R10). */
  bootMs: number
  /** A process of another type that is still alive after this has started. */
  aliveMs: number
  /** Requests in flight may take so long before their old process is told to stop. */
  drainMs: number
  /** Between SIGTERM and SIGKILL. */
  stopGraceMs: number
  firstBackoffMs: number
  maxBackoffMs: number
}

const herokuTiming: Timing = {
  bootMs: 60_000,
  aliveMs: 1_000,
  drainMs: 30_000,
  stopGraceMs: 30_000,
  firstBackoffMs: 1_000,
  maxBackoffMs: 300_000,
}

export function createApps(options: AppsOptions): Apps {
  const { store, clock, random, emit } = options
  const timing = { ...herokuTiming, ...options.timing }
  const logKey = (appId: string) => `apps/${appId}`
  const book = new LogBook(options.logs, options.log, () => clock.now())
  const settled = new Gate()
  // What reads, decides and writes: one after the other for each app.
  const turns = new KeyedMutex()
  const write: Apps['log'] = (appId, source, dyno, text) =>
    book.append(
      logKey(appId),
      splitText(text).map(line => logLine(clock.now(), source, dyno, line)),
    )
  const supervisor = createSupervisor({ ...options, timing, book, write, logKey, settled })

  async function found(appId: string): Promise<App> {
    const app = await store.app(appId)
    if (app === undefined) throw new Failure('not_found', "Couldn't find that app.")
    return app
  }

  async function record(
    appId: string,
    by: By,
    change: Pick<Release, 'description' | 'images' | 'config'> &
      Partial<Parameters<AppStore['recordRelease']>[0]>,
  ): Promise<Release> {
    const hasImages = Object.keys(change.images).length > 0
    const release = await store.recordRelease({
      id: uuid(random),
      appId,
      status: hasImages ? 'pending' : 'succeeded',
      userId: by.user.id,
      ...(by.origin && { origin: by.origin }),
      at: clock.now(),
      ...change,
    })
    await write(appId, 'app', 'api', `${change.description} by user ${by.user.email}`)
    await write(appId, 'app', 'api', `Release v${release.version} created by user ${by.user.email}`)
    emit({ type: 'release', appId, version: release.version, status: release.status })
    supervisor.wake(appId)
    return release
  }

  async function resolved(app: App, type: string, reference: string): Promise<ReleaseImage> {
    const repository = `heroku/${app.name}/${type}`
    const image = await options.images.resolve(repository, reference)
    if (image !== undefined) return image
    throw new Failure('not_found', `Couldn't find that image: ${repository} has no ${reference}.`, {
      hint: `push it first: docker push registry.heroku.com/${app.name}/${type}`,
    })
  }

  const apps: Apps = {
    async create({ name, owner }) {
      if (name !== undefined) checkAppName(name)
      const now = clock.now()
      for (;;) {
        const app: App = {
          ...{ id: uuid(random), name: name ?? randomAppName(random), ownerId: owner.id },
          ...{ maintenance: false, createdAt: now, updatedAt: now },
        }
        const first: Release = {
          ...{ id: uuid(random), appId: app.id, version: 1, description: 'Initial release' },
          ...{ status: 'succeeded', userId: owner.id, images: {}, config: {}, current: true },
          ...{ createdAt: now, updatedAt: now },
        }
        if (await store.insertApp(app, first)) {
          await write(app.id, 'app', 'api', `Initial release by user ${owner.email}`)
          await emit({ type: 'app', appId: app.id, change: 'created' })
          return app
        }
        if (name !== undefined) throw nameTaken(name)
      }
    },
    find: nameOrId => store.app(nameOrId),
    list: () => store.apps(),
    async update(appId, change, by) {
      const app = await found(appId)
      if (change.name !== undefined && change.name !== app.name) checkAppName(change.name)
      if (!(await store.updateApp(appId, { ...change, updatedAt: clock.now() })))
        throw nameTaken(change.name ?? app.name)
      if (change.maintenance !== undefined && change.maintenance !== app.maintenance) {
        const mode = change.maintenance ? 'on' : 'off'
        await write(appId, 'app', 'api', `Maintenance mode ${mode} by user ${by.user.email}`)
      }
      await emit({ type: 'app', appId, change: 'updated' })
      return found(appId)
    },
    async destroy(appId) {
      await found(appId)
      // What a crash leaves behind from here on is a stranger to the next start.
      await store.deleteApp(appId)
      await emit({ type: 'app', appId, change: 'deleted' })
      await supervisor.destroy(appId)
      await book.delete(logKey(appId))
    },
    collaborators: appId => store.collaborators(appId),
    setCollaborator: (appId, userId, present) => store.setCollaborator(appId, userId, present),

    config: appId => store.config(appId),
    setConfig: (appId, change, by) =>
      turns.run(appId, async () => {
        await found(appId)
        const changed = changeConfig(await store.config(appId), change)
        if (changed.set.length + changed.removed.length === 0) return changed.config
        const images = newestStanding(await store.releases(appId))?.images ?? {}
        const description = describeConfigChange(changed)
        await record(appId, by, { description, images, config: changed.config })
        return changed.config
      }),

    formation: appId => store.formation(appId),
    updateFormation: (appId, updates, by) =>
      turns.run(appId, async () => {
        const app = await found(appId)
        const now = clock.now()
        const withImages = await Promise.all(
          updates.map(async ({ image, ...rest }) => ({
            ...rest,
            ...(image !== undefined && {
              image: image === null ? null : await resolved(app, rest.type, image),
            }),
          })),
        )
        const before = await store.formation(appId)
        const change = changeFormation(before, withImages, now, () => uuid(random))
        const standing = newestStanding(await store.releases(appId))?.images ?? {}
        const images = { ...standing }
        const deployed = withImages.flatMap(({ type, image }) =>
          image === undefined ? [] : [{ type, image }],
        )
        for (const { type, image } of deployed) {
          if (image === null) delete images[type]
          else images[type] = image
        }
        if (!sameImages(standing, images))
          await record(appId, by, {
            description: describeImages(deployed),
            ...{ images, config: await store.config(appId) },
            ...{ formation: change.rows, removedTypes: change.removedTypes },
          })
        else if (change.rows.length > 0) {
          await store.putFormation(appId, change.rows)
          const rows = await store.formation(appId)
          const text = `Scaled to ${describeFormation(rows)} by user ${by.user.email}`
          await write(appId, 'app', 'api', text)
          supervisor.wake(appId, { replaceTypes: change.resized })
        }
        await emit({ type: 'app', appId, change: 'updated' })
        return store.formation(appId)
      }),
    releases: appId => store.releases(appId),
    release: (appId, idOrVersion) => store.release(appId, idOrVersion),
    async rollback(appId, idOrVersion, by) {
      await found(appId)
      const target = await store.release(appId, idOrVersion)
      if (target === undefined) throw new Failure('not_found', "Couldn't find that release.")
      if (target.status !== 'succeeded')
        throw new Failure(
          'invalid',
          `Release v${target.version} didn't succeed: it can't be rolled back to.`,
        )
      if (Object.keys(target.images).length === 0)
        throw new Failure('invalid', `Release v${target.version} has no image to go back to.`)
      const { images, config } = target
      return record(appId, by, { description: `Rollback to v${target.version}`, images, config })
    },
    async released(releaseId, signal) {
      for (;;) {
        const waiting = settled.wait(signal)
        const release = await store.releaseById(releaseId)
        if (release === undefined) throw new Failure('not_found', "Couldn't find that release.")
        if (release.status !== 'pending' || signal.aborted) return release
        await waiting
      }
    },

    dynos: async appId => supervisor.dynos(appId),
    async restart(appId, what, by) {
      await found(appId)
      await write(appId, 'app', 'api', `Restart by user ${by.user.email}`)
      await supervisor.restart(appId, what)
    },
    route: appId => supervisor.route(appId),
    logKey,
    log: write,
    run: signal => supervisor.run(signal),
  }
  return apps
}
