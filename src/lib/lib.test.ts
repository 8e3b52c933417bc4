import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  Gate,
  KeyedMutex,
  manualClock,
  newToken,
  Secret,
  seededRandom,
  suggest,
  uuid,
} from './index.ts'

describe('suggest', () => {
  it('finds what was meant', () => {
    expect(suggest('befor_script', ['script', 'before_script', 'after_script'])).toBe(
      'before_script',
    )
    expect(suggest('lsiten', ['listen', 'data', 'url'])).toBe('listen')
  })
  it('says nothing when nothing is near', () => {
    expect(suggest('kubernetes', ['listen', 'data'])).toBeUndefined()
    expect(suggest('x'.repeat(5000), ['listen'])).toBeUndefined()
  })
})

describe('Secret', () => {
  it('prints nowhere', () => {
    const secret = new Secret('s3cr3t')
    expect([`${secret}`, JSON.stringify({ secret }), inspect({ secret })].join(' ')).not.toContain(
      's3cr3t',
    )
    expect(secret.reveal()).toBe('s3cr3t')
  })
})

describe('random', () => {
  it('makes well-formed, distinct identifiers', () => {
    const random = seededRandom()
    expect(uuid(random)).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    )
    expect(uuid(random)).not.toBe(uuid(random))
    expect(newToken(random, 'glpat-')).toMatch(/^glpat-[\w-]{43}$/)
  })
})

describe('manualClock', () => {
  it('wakes sleepers when their time has come and rejects aborted ones', async () => {
    const clock = manualClock(0)
    const order: string[] = []
    const stop = new AbortController()
    const first = clock.sleep(10).then(() => order.push('first'))
    const never = clock.sleep(20, stop.signal).catch(() => order.push('aborted'))
    clock.advance(10)
    await first
    stop.abort()
    await never
    expect(order).toEqual(['first', 'aborted'])
  })
})

describe('KeyedMutex', () => {
  it('keeps the order within a key and survives failures', async () => {
    const mutex = new KeyedMutex()
    const seen: number[] = []
    const failing = mutex.run('a', async () => {
      seen.push(1)
      throw new Error('no')
    })
    const after = mutex.run('a', async () => seen.push(2))
    await expect(failing).rejects.toThrow('no')
    await after
    expect(seen).toEqual([1, 2])
  })
})

describe('Gate', () => {
  it('releases those who wait, and those whose signal aborts', async () => {
    const gate = new Gate()
    const stop = new AbortController()
    const both = Promise.all([gate.wait(), gate.wait(stop.signal)])
    stop.abort()
    gate.wake()
    await expect(both).resolves.toHaveLength(2)
  })
})
