import { type Clock, messageOf } from '../../lib/index.ts'
import type { EngineEvent, Labels } from '../index.ts'
import type { DockerClient } from './client.ts'
import { labelFilter } from './containers.ts'
import { jsonLines } from './frames.ts'
import type { WireEvent } from './wire.ts'

const firstPauseMs = 100
const longestPauseMs = 5000
const types = new Set(['start', 'die', 'oom'])
/** What the engine mixes into the labels. */
const notLabels = new Set(['image', 'name', 'exitCode', 'signal', 'execDuration'])

/** Container events until the signal aborts; a broken connection is made again with growing pauses, and each new one begins with `resync`. */
export async function* watchEvents(
  client: DockerClient,
  labels: Labels,
  signal: AbortSignal,
  clock: Clock,
): AsyncGenerator<EngineEvent> {
  const filters = labelFilter(labels, { type: ['container'], event: [...types] })
  let pauseMs = firstPauseMs
  while (!signal.aborted) {
    try {
      const stream = await client.stream({ path: '/events', query: { filters }, signal })
      yield { type: 'resync', at: clock.now() }
      pauseMs = firstPauseMs
      for await (const event of jsonLines<WireEvent>(stream))
        if (types.has(event.Action)) yield eventOf(event)
    } catch (error) {
      // an event that can't be read is as good as a broken connection: begin anew, and say so by `resync`
      if (!signal.aborted && messageOf(error) === 'The engine client is closed.') return
    }
    await clock.sleep(pauseMs, signal).catch(() => {})
    pauseMs = Math.min(pauseMs * 2, longestPauseMs)
  }
}

function eventOf(event: WireEvent): EngineEvent {
  const attributes = Object.entries(event.Actor.Attributes ?? {})
  const exitCode = event.Actor.Attributes?.['exitCode']
  return {
    type: event.Action as EngineEvent['type'],
    id: event.Actor.ID,
    labels: Object.fromEntries(attributes.filter(([name]) => !notLabels.has(name))),
    ...(exitCode === undefined ? {} : { exitCode: Number(exitCode) }),
    at: Math.floor(event.timeNano / 1e6),
  }
}
