import { Failure, Gate } from '../lib/index.ts'
import type { Route } from './index.ts'

/** One app's route as it is now. */
export interface Entry {
  route: Route
  /** Wakes whenever the route changes. */
  changed: Gate
  /** Requests that wait for this app to boot. */
  waiting: number
  deleted: boolean
}

/** Host → route. A host belongs to one app. */
export class RouteTable {
  readonly #byHost = new Map<string, Entry>()
  readonly #byApp = new Map<string, Entry>()

  set(route: Route): void {
    for (const host of route.hosts) {
      const owner = this.#byHost.get(host)
      if (owner && owner.route.appId !== route.appId)
        throw new Failure('conflict', `The host ${host} belongs to another app.`)
    }
    const entry = this.#byApp.get(route.appId) ?? {
      route,
      changed: new Gate(),
      waiting: 0,
      deleted: false,
    }
    for (const host of entry.route.hosts) this.#byHost.delete(host)
    entry.route = route
    for (const host of route.hosts) this.#byHost.set(host, entry)
    this.#byApp.set(route.appId, entry)
    entry.changed.wake()
  }

  delete(appId: string): Entry | undefined {
    const entry = this.#byApp.get(appId)
    if (!entry) return undefined
    entry.deleted = true
    for (const host of entry.route.hosts) this.#byHost.delete(host)
    this.#byApp.delete(appId)
    entry.changed.wake()
    return entry
  }

  find(host: string | undefined): Entry | undefined {
    return host === undefined ? undefined : this.#byHost.get(host)
  }

  entries(): Iterable<Entry> {
    return this.#byApp.values()
  }
}
