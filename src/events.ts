/**
 * Live changes for whoever watches: a bounded ring in memory. Nothing is kept on disk, since every event only says "look again";
 * a watcher that comes back too late is told so (`resync`) and reads the state anew.
 */
import type { EventStream, LiveEvent } from './api/index.ts'
import { type Clock, Gate } from './lib/index.ts'

export type { LiveEvent }

const kept = 10_000

export function createEvents(clock: Clock): EventStream {
  // ids start at the time of the start in microseconds: a new process never reuses one
  let nextId = clock.now() * 1000
  const ring: LiveEvent[] = []
  const gate = new Gate()
  return {
    publish(event) {
      ring.push({ id: nextId++, at: clock.now(), ...event })
      if (ring.length > kept) ring.shift()
      gate.wake()
    },
    async *follow(afterId, signal) {
      let last = afterId ?? nextId - 1
      const oldest = ring[0]?.id ?? nextId
      if (afterId !== undefined && afterId < oldest - 1) {
        yield { id: oldest - 1, at: clock.now(), type: 'resync', data: {} }
        last = oldest - 1
      }
      while (!signal.aborted) {
        const first = ring[0]?.id ?? nextId
        if (last < first - 1) {
          yield { id: first - 1, at: clock.now(), type: 'resync', data: {} }
          last = first - 1
        }
        const event = ring[last + 1 - first]
        if (event === undefined) await gate.wait(signal)
        else {
          last = event.id
          yield event
        }
      }
    },
  }
}
