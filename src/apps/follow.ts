import type { Engine } from '../engine/index.ts'
import { type Clock, type Logger, messageOf } from '../lib/index.ts'
import type { LogBook } from './log-book.ts'
import { LineCutter, logLine, type OutputLine } from './log-lines.ts'
import type { AppStore } from './ports.ts'

/** How much of the log's end is compared with what the engine tells again. Cursors are saved far more often than this. */
const tailBytes = 1 << 20
const saveEveryBytes = 64 << 10
const saveEveryMs = 2_000
const keptLines = 50

export interface FollowDeps {
  engine: Engine
  store: AppStore
  book: LogBook
  clock: Clock
  log: Logger
  logKey(appId: string): string
}

/** Brings one container's output into its app's log, each line once, and keeps the last lines at hand. */
export class Follower {
  readonly #deps: FollowDeps
  readonly #target: { appId: string; dyno: string; containerId: string }
  readonly #last: string[] = []
  readonly #stop = new AbortController()
  readonly #done: Promise<void>
  #savedAt = 0
  #unsavedBytes = 0
  #at: number | undefined

  /** `resume`: the container ran before this process did, so part of its output may be in the log already. */
  constructor(
    deps: FollowDeps,
    target: { appId: string; dyno: string; containerId: string },
    resume: boolean,
  ) {
    this.#deps = deps
    this.#target = target
    this.#done = this.#run(resume).catch(error =>
      deps.log.warn({ ...target, reason: messageOf(error) }, 'output not followed'),
    )
  }

  /** The newest lines, oldest first. */
  lastLines(count: number): string[] {
    return this.#last.slice(-count)
  }

  /** Resolves when the container's last line is stored, or after `timeoutMs`. */
  async ended(timeoutMs: number): Promise<void> {
    const abort = new AbortController()
    const timeout = this.#deps.clock.sleep(timeoutMs, abort.signal).catch(() => {})
    await Promise.race([this.#done, timeout])
    abort.abort()
    this.#stop.abort()
    await this.#done
  }

  /** Stops, and remembers how far it came. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async #run(resume: boolean): Promise<void> {
    const { engine, store, clock } = this.#deps
    const { signal } = this.#stop
    this.#at = resume ? await store.logCursor(this.#target.containerId) : undefined
    let isKnown = resume ? await this.#knownLines() : () => false
    this.#savedAt = clock.now()
    for (let attempt = 0; !signal.aborted; attempt++) {
      if (attempt > 0) {
        isKnown = await this.#knownLines()
        await clock.sleep(Math.min(5_000, 250 * attempt), signal).catch(() => {})
      }
      try {
        await this.#read(isKnown)
        const state = await engine.inspect(this.#target.containerId)
        if (state?.status !== 'running') break
      } catch (error) {
        if (signal.aborted) break
        const state = await engine
          .inspect(this.#target.containerId)
          .catch(() => ({ status: 'running' }) as const)
        if (!state) break
        this.#deps.log.debug({ ...this.#target, reason: messageOf(error) }, 'output interrupted')
      }
    }
    await this.#save()
  }

  /** Until the output ends. */
  async #read(isKnown: (line: string) => boolean): Promise<void> {
    const { engine, clock, book, logKey } = this.#deps
    const { signal } = this.#stop
    const cutters = { stdout: new LineCutter(), stderr: new LineCutter() }
    const { appId, containerId, dyno } = this.#target
    const keep = async (lines: readonly OutputLine[], at: number) => {
      const fresh = lines
        .map(line => ({ text: line.text, full: logLine(line.at, 'app', dyno, line.text) }))
        .filter(line => !isKnown(line.full))
      if (fresh.length > 0) {
        this.#last.push(...fresh.map(line => line.text))
        if (this.#last.length > keptLines) this.#last.splice(0, this.#last.length - keptLines)
        await book.append(
          logKey(appId),
          fresh.map(line => line.full),
        )
      }
      if (lines.length > 0) this.#at = at
    }
    const chunks = engine.logs(containerId, {
      follow: true,
      ...(this.#at !== undefined && { since: this.#at }),
      signal,
    })
    for await (const chunk of chunks) {
      const at = chunk.at ?? clock.now()
      await keep(cutters[chunk.stream].push(chunk.bytes, at), at)
      this.#unsavedBytes += chunk.bytes.length
      if (this.#unsavedBytes > saveEveryBytes || clock.now() - this.#savedAt > saveEveryMs)
        await this.#save()
    }
    if (signal.aborted) return
    for (const cutter of [cutters.stdout, cutters.stderr])
      await keep(cutter.flush(), this.#at ?? clock.now())
  }

  /** Answers once for each line of this dyno at the log's end, so that a line that came twice is kept twice. */
  async #knownLines(): Promise<(line: string) => boolean> {
    const { book, logKey } = this.#deps
    const mark = ` app[${this.#target.dyno}]: `
    const counts = new Map<string, number>()
    for (const line of await book.tail(logKey(this.#target.appId), tailBytes))
      if (line.startsWith(mark, line.indexOf(' '))) counts.set(line, (counts.get(line) ?? 0) + 1)
    return line => {
      const left = counts.get(line) ?? 0
      if (left === 0) return false
      counts.set(line, left - 1)
      return true
    }
  }

  async #save(): Promise<void> {
    if (this.#at === undefined || this.#unsavedBytes === 0) return
    const { appId, containerId } = this.#target
    this.#unsavedBytes = 0
    this.#savedAt = this.#deps.clock.now()
    await this.#deps.store
      .saveLogCursor({ appId, containerId, at: this.#at })
      .catch(error =>
        this.#deps.log.debug({ containerId, reason: messageOf(error) }, 'log cursor not saved'),
      )
  }
}
