import { Client } from 'undici'
import { Gate } from '../lib/index.ts'
import type { Backend } from './index.ts'
import type { Limits } from './limits.ts'

/** A connection's worth of client, out of its upstream's pool. */
export interface Lease {
  client: Client
  /** It was open before: the process may be closing it at this very moment. */
  reused: boolean
}

const keptIdle = 128

/** One process: its connections, and how many requests are in flight on it. Owns the connections. */
export class Upstream {
  readonly backend: Backend
  inFlight = 0
  readonly #limits: Limits
  readonly #idle: Client[] = []
  readonly #all = new Map<Client, { connected: boolean }>()
  readonly #ended = new Gate()
  #retired = false

  constructor(backend: Backend, limits: Limits) {
    this.backend = backend
    this.#limits = limits
  }

  begin(): void {
    this.inFlight++
  }

  end(): void {
    this.inFlight--
    if (this.inFlight > 0) return
    this.#ended.wake()
    if (this.#retired) this.destroy()
  }

  /** The client that was used last, because its connection is the least likely to be gone; or a new one. */
  take(fresh = false): Lease {
    const client = (fresh ? undefined : this.#idle.pop()) ?? this.#open()
    return { client, reused: this.#all.get(client)?.connected ?? false }
  }

  give(client: Client): void {
    if (!this.#retired && this.#idle.length < keptIdle) this.#idle.push(client)
    else this.#drop(client)
  }

  /** Resolves when nothing is in flight, or when the signal aborts. */
  async drained(signal: AbortSignal): Promise<void> {
    while (this.inFlight > 0 && !signal.aborted) await this.#ended.wait(signal)
  }

  /** Requests come again after `retire`. */
  revive(): void {
    this.#retired = false
  }

  /** No more requests will come: closes when the last one has ended. */
  retire(): void {
    this.#retired = true
    for (const client of this.#idle.splice(0)) this.#drop(client)
    if (this.inFlight === 0) this.destroy()
  }

  destroy(): void {
    this.#retired = true
    for (const client of this.#all.keys()) client.destroy().catch(() => {})
    this.#all.clear()
    this.#idle.length = 0
  }

  #open(): Client {
    const { host, port } = this.backend
    const client = new Client(`http://${host.includes(':') ? `[${host}]` : host}:${port}`, {
      pipelining: 1,
      // The exchange's own watchdog keeps these times, with Heroku's codes.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: this.#limits.keepAliveMs,
      connect: { timeout: this.#limits.connectMs, noDelay: true },
    })
    const state = { connected: false }
    client.on('connect', () => {
      state.connected = true
    })
    client.on('disconnect', () => {
      state.connected = false
    })
    this.#all.set(client, state)
    return client
  }

  #drop(client: Client): void {
    this.#all.delete(client)
    client.close().catch(() => {})
  }
}
