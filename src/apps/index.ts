/**
 * The Heroku model: app, config vars, formation, release, dyno. `run` makes what runs match the current release.
 *
 * What holds:
 * - A release is immutable and numbered without gaps. Recording it is one transaction; from then on it reaches an end, also after `kill -9`.
 * - The current release is the newest that succeeded. It goes on serving until a newer one has booted, and after one that hasn't.
 * - Slipway supervises processes itself (the engine restarts nothing), and leaves them running when it stops.
 * - The platform's `PORT` and `DYNO` win over config vars of that name. Every other name, `PATH` and `LD_PRELOAD` included, is the app's own business:
 *   it reaches the app's containers only.
 */
import type { User } from '../accounts/index.ts'

export { type AppsOptions, createApps, type Timing } from './apps.ts'
export type { AppLogs, AppStore, ImageSource, LogCursor, NewRelease, Traffic } from './ports.ts'

export interface App {
  /** UUID. */
  id: string
  name: string
  ownerId: number
  maintenance: boolean
  createdAt: number
  updatedAt: number
  releasedAt?: number
}

/** What one process type of one release runs: nothing about it can change later. */
export interface ReleaseImage {
  /** Repository in our registry, `heroku/student-list-staging/web`. */
  repository: string
  /** Manifest digest: what is pulled. */
  digest: string
  /** Image configuration digest: what Heroku's API calls the docker image id. */
  configDigest: string
}

export interface Release {
  id: string
  appId: string
  version: number
  /** Heroku's words: `Deployed web (142013fe2b5c)`, `Set FOO config vars`, `Rollback to v7`. */
  description: string
  status: 'pending' | 'succeeded' | 'failed'
  /** Why it failed, with the app's last log lines. */
  failure?: string
  userId: number
  /** By process type. */
  images: Record<string, ReleaseImage>
  config: Record<string, string>
  /** The chain back to the push, when a pipeline made it. */
  origin?: { projectId: number; pipelineId: number; jobId: number; sha: string }
  current: boolean
  createdAt: number
  updatedAt: number
}

export interface Formation {
  id: string
  type: string
  quantity: number
  size: string
  command?: string
  createdAt: number
  updatedAt: number
}

export interface Dyno {
  id: string
  appId: string
  /** `web.1` */
  name: string
  type: string
  command: string
  state: 'starting' | 'up' | 'crashed' | 'down'
  releaseId: string
  releaseVersion: number
  size: string
  createdAt: number
  updatedAt: number
}

export type AppEvent =
  | { type: 'app'; appId: string; change: 'created' | 'updated' | 'deleted' }
  | { type: 'release'; appId: string; version: number; status: Release['status'] }
  | { type: 'dyno'; appId: string; name: string; state: Dyno['state'] }
  /** Where traffic may go now: joins `apps` to `router`. */
  | { type: 'route'; appId: string }

/** Who does it: the user, and the job when a pipeline does. */
export interface By {
  user: User
  origin?: Release['origin']
}

export interface Apps {
  create(app: { name?: string; owner: User }): Promise<App>
  /** By name or UUID. */
  find(nameOrId: string): Promise<App | undefined>
  list(): Promise<App[]>
  update(appId: string, change: { name?: string; maintenance?: boolean }, by: By): Promise<App>
  /** Stops and removes everything of it. */
  destroy(appId: string): Promise<void>
  collaborators(appId: string): Promise<number[]>
  setCollaborator(appId: string, userId: number, present: boolean): Promise<void>

  config(appId: string): Promise<Record<string, string>>
  /** `null` deletes. One release for the whole change, none when nothing changes. */
  setConfig(
    appId: string,
    change: Record<string, string | null>,
    by: By,
  ): Promise<Record<string, string>>

  formation(appId: string): Promise<Formation[]>
  /**
   * Scale, and release images (Heroku's `PATCH /apps/:app/formation`): one release for all images of the call, none when they already run.
   * `image` is a config digest, manifest digest or tag of `heroku/{app}/{type}`; null removes the type. Resolves when the release is recorded (`pending`); `released` waits for its end.
   */
  updateFormation(
    appId: string,
    updates: { type: string; quantity?: string | number; size?: string; image?: string | null }[],
    by: By,
  ): Promise<Formation[]>
  releases(appId: string): Promise<Release[]>
  release(appId: string, idOrVersion: string | number): Promise<Release | undefined>
  /** A new release with the images and config of an old one. */
  rollback(appId: string, idOrVersion: string | number, by: By): Promise<Release>
  /** Resolves when the release has succeeded or failed. */
  released(releaseId: string, signal: AbortSignal): Promise<Release>

  dynos(appId: string): Promise<Dyno[]>
  /** All, a type, or one by name. */
  restart(appId: string, what: { type?: string; name?: string }, by: By): Promise<void>
  /** Where the router may send this app's traffic now. */
  route(appId: string): Promise<{
    state: 'up' | 'crashed' | 'none' | 'booting' | 'maintenance' | 'blank'
    backends: { id: string; dyno: string; host: string; port: number }[]
  }>

  /** Heroku's log lines: `2026-11-23T07:02:10.595123+00:00 app[web.1]: text`. Key of the app's log in `logs`. */
  logKey(appId: string): string
  log(appId: string, source: 'app' | 'heroku', dyno: string, text: string): Promise<void>

  /** After start: adopts running containers, removes strangers, goes on with releases that were pending; then keeps desired and observed together until the signal aborts. */
  run(signal: AbortSignal): Promise<void>
}
