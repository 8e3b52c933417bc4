import fc from 'fast-check'
import { expect, test } from 'vitest'
import { backoffMs, nextState } from './dyno.ts'
import { changeFormation, desiredDynos, quantityOf } from './formation.ts'
import type { Formation, Release } from './index.ts'
import { describeImages, newestStanding, supersede } from './release.ts'
import { routeOf } from './route.ts'

const image = (name: string) => ({
  repository: `heroku/shop/${name}`,
  digest: `sha256:${name.padEnd(64, '0')}`,
  configDigest: `sha256:${name.padEnd(64, '1')}`,
})
const release = (version: number, status: Release['status'], web?: string): Release => ({
  id: String(version),
  appId: 'app',
  version,
  description: '',
  status,
  userId: 1,
  images: web ? { web: image(web) } : {},
  config: {},
  current: false,
  createdAt: 0,
  updatedAt: 0,
})
const row = (type: string, quantity: number): Formation => ({
  ...{ id: type, type, quantity, size: 'Basic', createdAt: 0, updatedAt: 0 },
})

test.each([
  ['starting', 'ready', 'up'],
  ['starting', 'ended', 'crashed'],
  ['starting', 'stopped', 'down'],
  ['up', 'ended', 'crashed'],
  ['up', 'stopped', 'down'],
  ['crashed', 'retried', 'starting'],
  ['crashed', 'stopped', 'down'],
  ['crashed', 'ready', 'crashed'],
  ['up', 'retried', 'up'],
  ['down', 'ready', 'down'],
  ['down', 'retried', 'down'],
  ['down', 'ended', 'down'],
] as const)('a dyno that is %s and has %s is %s', (state, event, next) => {
  expect(nextState(state, event)).toBe(next)
})

test('pauses between restarts grow to a bound', () => {
  const pauses = [1, 2, 3, 4, 10, 1_000].map(crashes => backoffMs(crashes, 1_000, 300_000))
  expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 300_000, 300_000])
})

test('of waiting releases the newest runs; each of the others has one fate', () => {
  const pending = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 8 })
  fc.assert(
    fc.property(pending, names => {
      const waiting = names.map((name, at) => release(at + 1, 'pending', name))
      const { run, joined, dropped } = supersede(waiting)
      expect(run).toBe(waiting.at(-1))
      expect([...joined, ...dropped].length).toBe(Math.max(0, waiting.length - 1))
      for (const one of joined) expect(one.images).toEqual(run!.images)
      for (const one of dropped) expect(one.images).not.toEqual(run!.images)
    }),
  )
})

test('the next release starts from the newest that has not failed', () => {
  const releases = [release(1, 'succeeded', 'a'), release(2, 'pending', 'b'), release(3, 'failed')]
  expect(newestStanding(releases)?.version).toBe(2)
})

test.each([
  ['2', 1, 2],
  ['+1', 1, 2],
  ['-1', 1, 0],
  [3, 1, 3],
  [undefined, 4, 4],
])('quantity %s of %i is %i', (text, before, after) => {
  expect(quantityOf(text, before)).toBe(after)
})

test.each(['-2', '101', '1.5', '', 'x', -1, 1.5, Number.NaN])('quantity %s is refused', text => {
  expect(() => quantityOf(text, 1)).toThrow('not a quantity')
})

test('a new web type starts with one process, others with none; removing a type takes its row', () => {
  const change = changeFormation(
    [row('old', 1)],
    [
      { type: 'web', image: image('a') },
      { type: 'worker', image: image('b') },
      { type: 'old', image: null },
    ],
    5,
    () => 'id',
  )
  expect(change.rows.map(one => [one.type, one.quantity])).toEqual([
    ['web', 1],
    ['worker', 0],
  ])
  expect(change.removedTypes).toEqual(['old'])
  const names = desiredDynos([row('web', 2), row('clock', 1)], { web: image('a') })
  expect(names.map(one => one.name)).toEqual(['web.1', 'web.2'])
})

test('releases are described in Heroku words', () => {
  const both = [
    { type: 'web', image: image('142013fe2b5c') },
    { type: 'worker', image: image('abcdefabcdef') },
  ]
  expect(describeImages(both)).toBe('Deployed web (142013fe2b5c), worker (abcdefabcdef)')
})

const backend = { id: 'b', dyno: 'web.1', host: '10.0.0.2', port: 5000 }
const web = (state: 'starting' | 'up' | 'crashed') => [{ state, backend }]
const one = [row('web', 1)]
test.each([
  ['blank', release(1, 'succeeded'), release(1, 'succeeded'), [], []],
  ['booting', release(1, 'succeeded'), release(2, 'pending', 'a'), one, []],
  ['crashed', release(1, 'succeeded'), release(2, 'failed', 'a'), one, []],
  ['up', release(2, 'succeeded', 'a'), release(3, 'failed', 'b'), one, web('up')],
  ['booting', release(2, 'succeeded', 'a'), release(2, 'succeeded', 'a'), one, web('starting')],
  ['crashed', release(2, 'succeeded', 'a'), release(2, 'succeeded', 'a'), one, web('crashed')],
  ['none', release(2, 'succeeded', 'a'), release(2, 'succeeded', 'a'), [row('web', 0)], []],
] as const)('the route is %s (%#)', (state, current, newest, formation, dynos) => {
  const seen = { current, newest, formation, web: dynos }
  const route = routeOf({ ...seen, maintenance: false })
  expect(route).toEqual({ state, backends: state === 'up' ? [backend] : [] })
  expect(routeOf({ ...seen, maintenance: true }).state).toBe('maintenance')
})
