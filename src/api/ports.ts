/** What the API needs besides the modules it translates for. The composition root gives it. */

/** A live change, for whoever may see its project or app. */
export interface LiveEvent {
  /** Grows, also over restarts. */
  id: number
  at: number
  /** `pipeline`, `job`, `push`, `project`, `app`, `release`, `dyno`, `image`; `resync`: events were missed, read everything anew. */
  type: string
  projectId?: number
  appId?: string
  data: Record<string, unknown>
}

export interface EventStream {
  publish(event: Omit<LiveEvent, 'id' | 'at'>): void
  /** Everything after `afterId` (default: from now on), as it comes, until the signal aborts. */
  follow(afterId: number | undefined, signal: AbortSignal): AsyncIterable<LiveEvent>
}

export interface Urls {
  /** `http://localhost:10080`, without a slash at the end. */
  external: string
  /** Where an app answers: `http://student-list.localhost:10080`. */
  app(name: string): string
  /** `localhost:10080`, as it stands before an image's name. */
  registryHost: string
}

/** Which pipeline made an image: filled from the registry's push events. */
export interface ImageOrigins {
  /** By image configuration digest. */
  originOf(
    configDigest: string,
  ): Promise<{ projectId: number; pipelineId: number; jobId: number; sha: string } | undefined>
}

/** How the house is: readable by administrators; `ok` by everyone. */
export interface Health {
  ok: boolean
  checks: Record<string, { ok: boolean; message?: string; [detail: string]: unknown }>
}
