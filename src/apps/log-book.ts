import { type Logger, messageOf } from '../lib/index.ts'
import { logLine } from './log-lines.ts'
import type { AppLogs } from './ports.ts'

/** Bytes that may wait for the disk, for one app. */
const maxWaitingBytes = 2 << 20

interface Page {
  lines: string[]
  bytes: number
  dropped: number
  writing: Promise<void> | undefined
}

/** Writes the apps' logs: one writer a key, lines that come together go to disk together. */
export class LogBook {
  readonly #logs: AppLogs
  readonly #log: Logger
  readonly #now: () => number
  readonly #pages = new Map<string, Page>()

  constructor(logs: AppLogs, log: Logger, now: () => number) {
    this.#logs = logs
    this.#log = log
    this.#now = now
  }

  /** Resolves when the lines are stored. Beyond the bound they are dropped, and the log says so. */
  append(key: string, lines: readonly string[]): Promise<void> {
    let page = this.#pages.get(key)
    if (!page) {
      page = { lines: [], bytes: 0, dropped: 0, writing: undefined }
      this.#pages.set(key, page)
    }
    for (const line of lines) {
      if (page.bytes > maxWaitingBytes) page.dropped++
      else {
        page.lines.push(line)
        page.bytes += line.length
      }
    }
    page.writing ??= this.#write(key, page)
    return page.writing
  }

  /** Resolves when nothing waits. */
  async settled(): Promise<void> {
    await Promise.all([...this.#pages.values()].map(page => page.writing))
  }

  async delete(key: string): Promise<void> {
    await this.#pages.get(key)?.writing
    this.#pages.delete(key)
    await this.#logs.delete(key)
  }

  /** The newest lines, with their line ends. */
  async tail(key: string, bytes: number): Promise<string[]> {
    const size = await this.#logs.size(key)
    const start = Math.max(0, size - bytes)
    const chunks: Uint8Array[] = []
    for await (const chunk of await this.#logs.read(key, start, size)) chunks.push(chunk)
    const lines = Buffer.concat(chunks)
      .toString('utf8')
      .split(/(?<=\n)/)
    return start > 0 ? lines.slice(1) : lines
  }

  async #write(key: string, page: Page): Promise<void> {
    // Whatever is said in this turn of the event loop goes along.
    await new Promise(setImmediate)
    while (page.lines.length > 0 || page.dropped > 0) {
      const { lines, dropped } = page
      page.lines = []
      page.bytes = 0
      page.dropped = 0
      if (dropped > 0)
        lines.push(
          logLine(
            this.#now(),
            'heroku',
            'logplex',
            `Error L10 (output buffer overflow): ${dropped} messages dropped`,
          ),
        )
      try {
        await this.#logs.append(key, Buffer.from(lines.join('')))
      } catch (error) {
        this.#log.error({ key, reason: messageOf(error) }, 'app log not written')
      }
    }
    page.writing = undefined
    if (page.lines.length === 0) this.#pages.delete(key)
  }
}
