import type { App, Formation, Release, ReleaseImage } from './index.ts'

/** What apps keep. One call is one transaction. */
export interface AppStore {
  /** The app with its first release. False when the name is taken. */
  insertApp(app: App, first: Release): Promise<boolean>
  /** By name or id. */
  app(nameOrId: string): Promise<App | undefined>
  /** By name. */
  apps(): Promise<App[]>
  /** False when the new name is taken. */
  updateApp(
    id: string,
    change: { name?: string; maintenance?: boolean; updatedAt: number },
  ): Promise<boolean>
  /** With everything that belongs to it. */
  deleteApp(id: string): Promise<void>

  collaborators(appId: string): Promise<number[]>
  setCollaborator(appId: string, userId: number, present: boolean): Promise<void>

  /** The config vars of the next release. */
  config(appId: string): Promise<Record<string, string>>
  /** In the order in which the types came. */
  formation(appId: string): Promise<Formation[]>
  /** Inserts or replaces by type. */
  putFormation(appId: string, rows: readonly Formation[]): Promise<void>

  /** Oldest first. */
  releases(appId: string): Promise<Release[]>
  release(appId: string, idOrVersion: string | number): Promise<Release | undefined>
  releaseById(id: string): Promise<Release | undefined>
  /** Gives it the next version, and changes config vars and formation with it. A release that is recorded as `succeeded` is the current one at once. */
  recordRelease(release: NewRelease): Promise<Release>
  /** Ends a pending release; false when it had ended before. `current`: makes it the one that runs. */
  settleRelease(
    id: string,
    end: {
      status: 'succeeded' | 'failed'
      failure?: string
      current: boolean
      at: number
    },
  ): Promise<boolean>
  /** Oldest first. */
  pendingReleases(appId: string): Promise<Release[]>

  /** Up to where a container's output is in the app's log. */
  logCursor(containerId: string): Promise<number | undefined>
  saveLogCursor(cursor: LogCursor): Promise<void>
  deleteLogCursor(containerId: string): Promise<void>
}

export interface LogCursor {
  containerId: string
  appId: string
  /** ms since the epoch, with a fraction. */
  at: number
}

export interface NewRelease {
  id: string
  appId: string
  description: string
  status: 'pending' | 'succeeded'
  userId: number
  images: Record<string, ReleaseImage>
  /** Also becomes the app's config vars. */
  config: Record<string, string>
  origin?: Release['origin']
  /** Inserted or replaced. */
  formation?: readonly Formation[]
  /** Types that go away. */
  removedTypes?: readonly string[]
  at: number
}

/** The part of `logs` that an app's log needs. */
export interface AppLogs {
  append(key: string, bytes: Uint8Array): Promise<unknown>
  size(key: string): Promise<number>
  read(key: string, start: number, end?: number): Promise<AsyncIterable<Uint8Array>>
  delete(key: string): Promise<void>
}

/** Our registry and the engine's way to it. */
export interface ImageSource {
  /** `reference`: config digest, manifest digest or tag. Undefined when the repository doesn't have it. */
  resolve(repository: string, reference: string): Promise<ReleaseImage | undefined>
  /** Brings the image to the engine; its id or reference there. */
  pull(image: ReleaseImage, signal: AbortSignal): Promise<string>
}

/** What apps ask of the network. */
export interface Traffic {
  /** Does something accept TCP connections there now? Never rejects; gives up by itself within a few seconds. */
  accepts(host: string, port: number, signal: AbortSignal): Promise<boolean>
  /** Resolves when no request is in flight on this backend, or after `timeoutMs`. */
  drained(backendId: string, timeoutMs: number): Promise<void>
}
