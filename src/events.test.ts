import { expect, it } from 'vitest'
import { createEvents, type LiveEvent } from './events.ts'
import { manualClock } from './lib/index.ts'

async function take(events: AsyncIterable<LiveEvent>, count: number): Promise<LiveEvent[]> {
  const taken: LiveEvent[] = []
  for await (const event of events) {
    taken.push(event)
    if (taken.length === count) break
  }
  return taken
}

it('tells a watcher what comes, and one that comes back what it missed', async () => {
  const events = createEvents(manualClock())
  const stop = new AbortController()
  const live = take(events.follow(undefined, stop.signal), 2)
  events.publish({ type: 'push', data: { n: 1 } })
  events.publish({ type: 'push', data: { n: 2 } })
  const seen = await live
  expect(seen.map(event => event.data.n)).toEqual([1, 2])
  const again = await take(events.follow(seen[0]!.id, stop.signal), 1)
  expect(again).toEqual([seen[1]])
})

it('says so when it no longer has what was missed', async () => {
  const events = createEvents(manualClock())
  const stop = new AbortController()
  for (let n = 0; n < 10_050; n++) events.publish({ type: 'job', data: { n } })
  const [first, second] = await take(events.follow(5, stop.signal), 2)
  expect(first?.type).toBe('resync')
  expect(second?.data.n).toBe(50)
})

it('ends when the watcher goes', async () => {
  const events = createEvents(manualClock())
  const stop = new AbortController()
  const all = take(events.follow(undefined, stop.signal), 1)
  stop.abort()
  expect(await all).toEqual([])
})
