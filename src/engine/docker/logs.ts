import type { Clock } from '../../lib/index.ts'
import type { Engine, OutputChunk } from '../index.ts'
import type { DockerClient } from './client.ts'
import { at, inspect, noContainer } from './inspect.ts'
import { sinceOf, timedChunks } from './log-lines.ts'

const pauseMs = 20

type LogOptions = Parameters<Engine['logs']>[1]

/** How far a reader has come: the latest instant, and how many bytes of it. The parts of a long line share one. */
interface Position {
  at: number | undefined
  bytes: number
}

/**
 * Output with its times. The engine's follower ends when the container does, and may miss what was printed last (seen with Docker 20.10 and a last line without an end): so
 * once the container has ended, the rest is read again from where the follower was.
 */
export async function* readLogs(
  client: DockerClient,
  clock: Clock,
  id: string,
  options: LogOptions,
): AsyncGenerator<OutputChunk> {
  const { follow, signal } = options
  const seen: Position = { at: undefined, bytes: 0 }
  try {
    let container = await inspect(client, id)
    if (container === undefined) throw noContainer(id)
    const tty = container.Config.Tty
    let isRunning = follow
    for (;;) {
      yield* unseen(client, id, { ...options, follow: isRunning }, tty, seen)
      if (!isRunning) return
      container = await inspect(client, id)
      if (container === undefined) return
      isRunning = container.State.Status === 'running' || container.State.Status === 'paused'
      // the stream ends a moment before the state changes
      if (isRunning) await clock.sleep(pauseMs, signal)
    }
  } catch (error) {
    if (!signal?.aborted) throw error
  }
}

async function* unseen(
  client: DockerClient,
  id: string,
  { follow, since, tail, signal }: LogOptions,
  tty: boolean,
  seen: Position,
): AsyncGenerator<OutputChunk> {
  const from = seen.at ?? since
  const query = {
    stdout: true,
    stderr: true,
    timestamps: true,
    follow,
    since: from === undefined ? undefined : sinceOf(from),
    tail: seen.at === undefined ? (tail ?? 'all') : 'all',
  }
  const known = { ...seen }
  const stream = await client.stream({ path: `${at(id)}/logs`, query, signal })
  for await (const chunk of timedChunks(stream, tty)) {
    const instant = chunk.at ?? 0
    if (since !== undefined && instant <= since) continue
    if (known.at !== undefined && instant < known.at) continue
    const skipped = instant === known.at ? Math.min(known.bytes, chunk.bytes.length) : 0
    known.bytes -= skipped
    if (skipped === chunk.bytes.length) continue
    const bytes = chunk.bytes.subarray(skipped)
    seen.bytes = seen.at === instant ? seen.bytes + bytes.length : bytes.length
    seen.at = instant
    yield { ...chunk, bytes }
  }
}
