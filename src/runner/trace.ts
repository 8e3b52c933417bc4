import { crc32 } from 'node:zlib'
import { type Clock, Failure, type Logger, messageOf } from '../lib/index.ts'
import type { Masker } from '../logs/index.ts'
import type { Coordinator, JobStatus } from '../protocol/index.ts'
import * as format from './format.ts'

export interface TraceOptions {
  readonly coordinator: Coordinator
  readonly jobId: number
  readonly token: string
  /** One for each stream: a secret is found only within its stream. */
  readonly newMasker: () => Masker
  readonly limitBytes: number
  readonly sections: boolean
  readonly clock: Clock
  readonly log: Logger
  /** What the server said about the job with an append. */
  readonly onStatus: (status: JobStatus) => void
  /** The server takes no more of this trace. */
  readonly onLost: (error: unknown) => void
}

/** One of the streams that make up a trace, with its own masking and UTF-8 repair. */
export interface TraceStream {
  /** Resolves when there is room for more: a reader that waits for it can't fill the memory. */
  write(bytes: Uint8Array): Promise<void>
  /** Writes what masking still held back. */
  end(): void
}

/** Bytes go out at once after a pause, and at most this often while they keep coming. */
const coalesceMs = 40
const maxAppendBytes = 1024 * 1024
const highWaterBytes = 2 * 1024 * 1024
const appendAttempts = 6

/**
 * A job's log on its way to the server: masked, repaired, bounded, counted, and sent in order by one loop. Lines of the runner itself
 * are a stream of their own. `finish` must be called at the end, also after a failure.
 */
export class Trace {
  readonly #options: TraceOptions
  readonly #own: TraceStream
  readonly #encoder = new TextEncoder()
  #pending: Uint8Array[] = []
  #pendingBytes = 0
  #accepted = 0
  #sent = 0
  #checksum = 0
  #sending: Promise<void> | undefined
  #lastSentAt = Number.NEGATIVE_INFINITY
  #exceeded = false
  #lost = false
  #urgent = new AbortController()
  #room: (() => void)[] = []

  constructor(options: TraceOptions) {
    this.#options = options
    this.#own = this.stream()
  }

  plain(text: string): void {
    this.#line(format.plain(text))
  }

  info(text: string): void {
    this.#line(format.info(text))
  }

  warning(text: string): void {
    this.#line(format.warning(text))
  }

  /** As it is, from the runner itself. */
  text(text: string): void {
    this.#line(text)
  }

  /** Runs `work` as a section with its headline; the section ends also when the work fails. */
  async section<T>(name: string, headline: string, work: () => Promise<T>): Promise<T> {
    const mark = (make: typeof format.sectionStart) =>
      this.#options.sections ? make(name, Math.floor(this.#options.clock.now() / 1000)) : ''
    this.#line(mark(format.sectionStart) + format.headline(headline))
    try {
      return await work()
    } finally {
      this.#line(mark(format.sectionEnd))
    }
  }

  stream(): TraceStream {
    const masker = this.#options.newMasker()
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    const accept = (bytes: Uint8Array, last: boolean) =>
      this.#accept(this.#encoder.encode(decoder.decode(bytes, { stream: !last })))
    return {
      write: bytes => {
        accept(masker.push(bytes), false)
        return this.#pendingBytes < highWaterBytes ? done : this.#waitForRoom()
      },
      end: () => accept(masker.flush(), true),
    }
  }

  /** The job's last line, which goes in even when the log is full. Then waits until everything is sent; tells what the server must have. */
  async finish(line: string): Promise<{ checksum: string; bytesize: number }> {
    this.#own.end()
    const masker = this.#options.newMasker()
    const text = this.#encoder.encode(line)
    this.#enqueue(Buffer.concat([masker.push(text), masker.flush()]))
    this.#urgent.abort()
    while (this.#sending) await this.#sending
    return {
      checksum: `crc32:${this.#checksum.toString(16).padStart(8, '0')}`,
      bytesize: this.#sent,
    }
  }

  #line(text: string): void {
    void this.#own.write(this.#encoder.encode(text))
  }

  #accept(bytes: Uint8Array): void {
    if (this.#exceeded || bytes.length === 0) return
    const { limitBytes } = this.#options
    const room = limitBytes - this.#accepted
    if (bytes.length <= room) {
      this.#enqueue(bytes)
      return
    }
    this.#exceeded = true
    this.#enqueue(bytes.subarray(0, wholeCharacters(bytes, room)))
    this.#enqueue(this.#encoder.encode(format.limitExceeded(limitBytes)))
  }

  #enqueue(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.#lost) return
    this.#accepted += bytes.length
    this.#pending.push(bytes)
    this.#pendingBytes += bytes.length
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined
    })
  }

  #waitForRoom(): Promise<void> {
    return new Promise(resolve => this.#room.push(resolve))
  }

  async #send(): Promise<void> {
    const { clock } = this.#options
    while (this.#pendingBytes > 0 && !this.#lost) {
      const pauseMs = this.#lastSentAt + coalesceMs - clock.now()
      if (pauseMs > 0 && this.#pendingBytes < maxAppendBytes)
        await clock.sleep(pauseMs, this.#urgent.signal).catch(() => {})
      const all = Buffer.concat(this.#pending)
      this.#pending = all.length > maxAppendBytes ? [all.subarray(maxAppendBytes)] : []
      this.#pendingBytes = Math.max(0, all.length - maxAppendBytes)
      this.#lastSentAt = clock.now()
      await this.#append(all.subarray(0, maxAppendBytes)).catch(error => this.#lose(error))
      if (this.#pendingBytes < highWaterBytes) for (const free of this.#room.splice(0)) free()
    }
    for (const free of this.#room.splice(0)) free()
  }

  /** Sends one piece, again after a failure, and from where the server says it is when an answer got lost. */
  async #append(piece: Uint8Array): Promise<void> {
    const { coordinator, jobId, token, clock, log } = this.#options
    const start = this.#sent
    let skip = 0
    for (let attempt = 1; skip < piece.length; attempt++) {
      try {
        const rest = piece.subarray(skip)
        const answer = await coordinator.appendTrace(jobId, token, start + skip, rest)
        this.#options.onStatus(answer.status)
        if (answer.result === 'accepted') break
        if (answer.result === 'forbidden')
          throw new Failure('forbidden', `the server takes no more log of job ${jobId}`)
        if (answer.size < start || answer.size > start + piece.length)
          throw new Failure('conflict', `the server has ${answer.size} bytes, expected ${start}`)
        skip = answer.size - start
      } catch (error) {
        const final = error instanceof Failure && error.code !== 'unavailable'
        if (final || attempt >= appendAttempts) throw error
        log.warn({ jobId, error: messageOf(error) }, 'could not send the log, trying again')
        await clock.sleep(50 * 2 ** attempt).catch(() => {})
      }
    }
    this.#sent += piece.length
    this.#checksum = crc32(piece, this.#checksum)
  }

  #lose(error: unknown): void {
    this.#lost = true
    this.#pending = []
    this.#pendingBytes = 0
    this.#options.onLost(error)
  }
}

const done = Promise.resolve()

/** The longest cut of at most `length` bytes that ends between characters of valid UTF-8. */
function wholeCharacters(bytes: Uint8Array, length: number): number {
  let end = Math.max(0, length)
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--
  return end
}
