import type { OutputChunk } from '../index.ts'
import { frames } from './frames.ts'

/** The engine cuts longer lines into messages of this size, each with its own time. */
const messageBytes = 16 * 1024
const space = 0x20
const newline = 0x0a
const empty: Uint8Array = new Uint8Array()

/** Output of `logs?timestamps=1`: takes the time off each message. `tty`: the stream isn't multiplexed, a message ends with its line. */
export async function* timedChunks(
  source: AsyncIterable<Uint8Array>,
  tty: boolean,
): AsyncGenerator<OutputChunk> {
  if (tty) yield* timedLines(source)
  else yield* timedFrames(source)
}

async function* timedFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<OutputChunk> {
  let stamp = empty
  let isStamp = false
  let at = 0
  for await (const frame of frames(source)) {
    if (frame.first) {
      stamp = empty
      isStamp = true
    }
    if (!isStamp) {
      yield { stream: frame.stream, bytes: frame.bytes, at }
      continue
    }
    stamp = stamp.length === 0 ? frame.bytes : Buffer.concat([stamp, frame.bytes])
    const end = stamp.indexOf(space)
    if (end < 0) continue
    at = instantOf(Buffer.from(stamp.subarray(0, end)).toString('latin1'))
    isStamp = false
    if (end + 1 < stamp.length) yield { stream: frame.stream, bytes: stamp.subarray(end + 1), at }
  }
}

async function* timedLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<OutputChunk> {
  let rest = empty
  let at = 0
  /** Bytes of the message so far; undefined while its time is still to come. */
  let size: number | undefined
  for await (const part of source) {
    rest = rest.length === 0 ? part : Buffer.concat([rest, part])
    while (rest.length > 0) {
      if (size === undefined) {
        const end = rest.indexOf(space)
        if (end < 0) break
        at = instantOf(Buffer.from(rest.subarray(0, end)).toString('latin1'))
        rest = rest.subarray(end + 1)
        size = 0
        continue
      }
      const end = rest.indexOf(newline)
      const length = Math.min(end < 0 ? rest.length : end + 1, messageBytes - size)
      const bytes = rest.subarray(0, length)
      rest = rest.subarray(length)
      size += length
      yield { stream: 'stdout', bytes, at }
      if (bytes[length - 1] === newline || size === messageBytes) size = undefined
    }
  }
}

/** ms since the epoch of `2026-11-23T09:29:36.123456789Z`, with the fraction that a double can hold, so that two lines of one millisecond still differ. */
export function instantOf(stamp: string): number {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(stamp)
  if (match === null) return Number.NaN
  const fraction = match[2] === undefined ? 0 : Number(`0.${match[2]}`) * 1000
  return Date.parse(`${match[1]}${match[3]}`) + fraction
}

/** The inverse, as `since` wants it: seconds with nine digits. Rounded down, so nothing after it is missed. */
export function sinceOf(at: number): string {
  const seconds = Math.floor(at / 1000)
  const nanoseconds = Math.max(0, Math.floor((at - seconds * 1000) * 1e6))
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}`
}
