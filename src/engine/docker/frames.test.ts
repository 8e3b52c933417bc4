import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { OutputChunk } from '../index.ts'
import { frames, jsonLines } from './frames.ts'
import { instantOf, sinceOf, timedChunks } from './log-lines.ts'

function frame(stream: 'stdout' | 'stderr', payload: Uint8Array): Buffer {
  const header = Buffer.alloc(8)
  header[0] = stream === 'stdout' ? 1 : 2
  header.writeUInt32BE(payload.length, 4)
  return Buffer.concat([header, payload])
}

/** The bytes cut at the given places. */
async function* cut(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0
  for (const size of sizes) {
    if (at >= bytes.length) return
    yield bytes.subarray(at, at + size)
    at += size
  }
  yield bytes.subarray(at)
}

/** Neighbouring chunks of one stream and time as one. */
async function joined(source: AsyncIterable<OutputChunk>): Promise<[string, string, number?][]> {
  const out: [string, string, number?][] = []
  for await (const { stream, bytes, at } of source) {
    const last = out.at(-1)
    const text = Buffer.from(bytes).toString('latin1')
    if (last !== undefined && last[0] === stream && last[2] === at) last[1] += text
    else out.push(at === undefined ? [stream, text] : [stream, text, at])
  }
  return out
}

const streams = fc.constantFrom('stdout' as const, 'stderr' as const)
const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 60 })

describe('multiplexed streams', () => {
  it('come out the same however they were cut', async () => {
    const message = fc.tuple(streams, fc.uint8Array({ maxLength: 60 }))
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 12 }), cuts, async (messages, sizes) => {
        const bytes = Buffer.concat(messages.map(([stream, payload]) => frame(stream, payload)))
        const whole = await joined(frames(cut(bytes, [])))
        expect(await joined(frames(cut(bytes, sizes)))).toEqual(whole)
        const expected = messages.filter(([, payload]) => payload.length > 0)
        expect(whole.map(([, text]) => text).join('')).toBe(
          expected.map(([, payload]) => Buffer.from(payload).toString('latin1')).join(''),
        )
      }),
    )
  })

  it('of a log lose their times, however they were cut', async () => {
    const lines: [string, 'stdout' | 'stderr', string][] = [
      ['2026-11-23T09:29:36.123456789Z', 'stdout', 'one two\n'],
      ['2026-11-23T09:29:36.5Z', 'stderr', 'oops\n'],
      ['2026-11-23T09:29:37Z', 'stdout', 'three'],
    ]
    const bytes = Buffer.concat(
      lines.map(([stamp, stream, text]) => frame(stream, Buffer.from(`${stamp} ${text}`))),
    )
    const expected = lines.map(([stamp, stream, text]) => [stream, text, instantOf(stamp)])
    await fc.assert(
      fc.asyncProperty(cuts, async sizes => {
        expect(await joined(timedChunks(cut(bytes, sizes), false))).toEqual(expected)
      }),
    )
  })

  it('of a terminal are lines, and parts of 16 KiB of a longer line', async () => {
    const part = 'x'.repeat(16 * 1024)
    const text = [
      '2026-11-23T09:29:36.1Z short\r\n',
      `2026-11-23T09:29:36.2Z ${part}`,
      '2026-11-23T09:29:36.3Z rest\r\n',
    ].join('')
    const expected = [
      ['stdout', 'short\r\n', instantOf('2026-11-23T09:29:36.1Z')],
      ['stdout', part, instantOf('2026-11-23T09:29:36.2Z')],
      ['stdout', 'rest\r\n', instantOf('2026-11-23T09:29:36.3Z')],
    ]
    for (const sizes of [[], [5, 5, 30, 1], [16_400, 20]])
      expect(await joined(timedChunks(cut(Buffer.from(text), sizes), true))).toEqual(expected)
  })
})

describe('instants', () => {
  it('keep more than the millisecond, and come back as since', () => {
    const at = instantOf('2026-11-23T09:29:36.123456789Z')
    expect(Math.floor(at)).toBe(Date.parse('2026-11-23T09:29:36.123Z'))
    expect(at % 1).toBeCloseTo(0.456789, 3)
    const since = sinceOf(at)
    expect(since).toMatch(/^\d{10}\.12345\d{4}$/)
    expect(Number(since.split('.')[1])).toBeLessThanOrEqual(123_456_789)
    expect(instantOf('2026-11-23T09:29:36+00:00')).toBe(Date.parse('2026-11-23T09:29:36Z'))
    expect(instantOf('nonsense')).toBeNaN()
  })
})

describe('jsonLines', () => {
  it('reads objects across cuts, in the middle of a character too', async () => {
    const bytes = Buffer.from('{"a":"ä"}\r\n{"b":2}\n\n{"c":3}')
    for (const sizes of [[], [7], [1, 1, 1, 1, 1, 1, 1, 1], [10, 1, 5]]) {
      const out: unknown[] = []
      for await (const one of jsonLines(cut(bytes, sizes))) out.push(one)
      expect(out).toEqual([{ a: 'ä' }, { b: 2 }, { c: 3 }])
    }
  })
})
