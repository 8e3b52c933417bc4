import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMemoryAppends } from '../blobs/index.ts'
import { createLogs, type Logs } from './index.ts'

const never = new AbortController().signal

function open() {
  const store = createMemoryAppends()
  return { store, logs: createLogs({ store }) }
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  return Buffer.concat(parts).toString()
}

const append = (logs: Logs, key: string, text: string, start?: number) =>
  logs.append(key, Buffer.from(text), start)

describe('createLogs', () => {
  it('appends at the end, or exactly where the writer believes it is', async () => {
    const { logs } = open()
    expect(await append(logs, 'traces/1', 'hello ')).toEqual({ written: true, size: 6 })
    expect(await append(logs, 'traces/1', 'world', 6)).toEqual({ written: true, size: 11 })
    expect(await append(logs, 'traces/1', 'again', 6)).toEqual({ written: false, size: 11 })
    expect(await append(logs, 'traces/1', 'gap', 12)).toEqual({ written: false, size: 11 })
    expect(await append(logs, 'traces/1', '', 11)).toEqual({ written: true, size: 11 })
    expect(await logs.size('traces/1')).toBe(11)
    expect(await collect(await logs.read('traces/1', 6))).toBe('world')
    expect(await collect(await logs.read('traces/1', 0, 5))).toBe('hello')
    expect(await collect(await logs.read('traces/2', 0))).toBe('')
  })

  it('lets one of two win who append at the same place', async () => {
    const { logs } = open()
    const results = await Promise.all(['a', 'b', 'c'].map(text => append(logs, 'k', text, 0)))
    expect(results.filter(one => one.written)).toHaveLength(1)
    expect(await logs.size('k')).toBe(1)
  })

  it('follows from any offset to the end, and ends when the log is closed', async () => {
    const { logs } = open()
    await append(logs, 'k', 'one ')
    const followers = [0, 2, 4, 6].map(start => collect(logs.follow('k', start, never)))
    await append(logs, 'k', 'two ')
    await append(logs, 'k', 'three')
    await logs.close('k')
    expect(await Promise.all(followers)).toEqual([
      'one two three',
      'e two three',
      'two three',
      'o three',
    ])
  })

  it('tells a follower of bytes before anything else happens', async () => {
    const { logs } = open()
    const stop = new AbortController()
    const follower = logs.follow('k', 0, stop.signal)[Symbol.asyncIterator]()
    for (let n = 0; n < 50; n++) {
      const next = follower.next()
      await append(logs, 'k', `${n}\n`)
      expect(Buffer.from((await next).value).toString()).toBe(`${n}\n`)
    }
    const end = follower.next()
    stop.abort()
    expect((await end).done).toBe(true)
  })

  it('ends at once for a log that was closed before, also by an earlier process', async () => {
    const { store, logs } = open()
    await append(logs, 'k', 'all')
    await logs.close('k')
    await logs.close('k')
    expect(await collect(logs.follow('k', 0, never))).toBe('all')
    expect(await collect(createLogs({ store }).follow('k', 1, never))).toBe('ll')
  })

  it('ends followers of a log that is deleted, and forgets it', async () => {
    const { store, logs } = open()
    await append(logs, 'k', 'gone')
    const follower = collect(logs.follow('k', 0, never))
    await new Promise(resolve => setImmediate(resolve))
    await logs.close('k')
    await logs.delete('k')
    await follower
    expect(await logs.size('k')).toBe(0)
    expect(await store.list('')).toEqual([])
  })

  it('gives every follower every byte once, however appends and reads interleave', async () => {
    const pieces = fc.array(fc.string({ minLength: 1, maxLength: 20 }), { maxLength: 20 })
    const starts = fc.array(fc.nat({ max: 60 }), { minLength: 1, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(pieces, starts, fc.scheduler(), async (texts, offsets, scheduler) => {
        const { logs } = open()
        const followers = offsets.map(async start => {
          const parts: Uint8Array[] = []
          for await (const part of logs.follow('k', start, never)) {
            parts.push(part)
            await scheduler.schedule(Promise.resolve())
          }
          return Buffer.concat(parts).toString('hex')
        })
        const writer = (async () => {
          for (const text of texts) {
            await scheduler.schedule(Promise.resolve())
            await append(logs, 'k', text)
          }
          await logs.close('k')
        })()
        await scheduler.waitFor(Promise.all([writer, ...followers]))
        const whole = Buffer.from(texts.join(''))
        for (const [index, follower] of followers.entries())
          expect(await follower).toBe(whole.subarray(offsets[index]).toString('hex'))
      }),
      { numRuns: 100 },
    )
  })

  it('keeps nothing for a follower who does not read', async () => {
    const { logs } = open()
    const stop = new AbortController()
    const slow = logs.follow('k', 0, stop.signal)[Symbol.asyncIterator]()
    const first = slow.next()
    await append(logs, 'k', 'start')
    await first
    for (let n = 0; n < 100; n++) await append(logs, 'k', 'x'.repeat(10))
    let size = 0
    while (size < 1000) size += ((await slow.next()).value as Uint8Array).length
    expect(size).toBe(1000)
    stop.abort()
    await slow.return?.()
  })
})
