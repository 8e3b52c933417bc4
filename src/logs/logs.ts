import type { AppendStore } from '../blobs/index.ts'
import { Gate, KeyedMutex } from '../lib/index.ts'
import type { Logs } from './index.ts'

/** What the followers of one key share; it exists only while there are any. */
interface Followed {
  followers: number
  readonly gate: Gate
  /** Grows with each change, so that a follower sees one that happened while it was reading. */
  changes: number
  closed: boolean
  /** The latest append, so that a follower who is up to date needn't read the file. */
  latest: { start: number; bytes: Uint8Array } | undefined
}

const mark = Uint8Array.of(1)

/** Logs over append-only files. Followers wait in memory and read from the store, so a slow one holds nothing but its position. */
export function createLogs({ store }: { store: AppendStore }): Logs {
  const writers = new KeyedMutex()
  const followed = new Map<string, Followed>()

  function changed(key: string, change: (one: Followed) => void): void {
    const one = followed.get(key)
    if (one === undefined) return
    change(one)
    one.changes++
    one.gate.wake()
  }

  async function append(key: string, bytes: Uint8Array, start?: number) {
    if (start !== undefined) {
      const size = await store.size(key)
      if (size !== start) return { written: false, size }
    }
    if (bytes.length === 0) return { written: true, size: start ?? (await store.size(key)) }
    const size = await store.append(key, bytes)
    changed(key, one => {
      one.latest = { start: size - bytes.length, bytes: Uint8Array.from(bytes) }
    })
    return { written: true, size }
  }

  async function* follow(
    key: string,
    start: number,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const one = join(followed, key)
    try {
      let position = start
      // the log may have been closed long ago, by a process that is no more
      if ((await store.size(closedKey(key))) > 0) one.closed = true
      while (!signal.aborted) {
        const { changes, closed } = one
        for await (const bytes of unread(store, key, position, one.latest)) {
          if (signal.aborted) return
          position += bytes.length
          yield bytes
        }
        if (one.changes !== changes) continue
        if (closed) return
        await one.gate.wait(signal)
      }
    } finally {
      if (--one.followers === 0) followed.delete(key)
    }
  }

  return {
    append: (key, bytes, start) => writers.run(key, () => append(key, bytes, start)),
    size: key => store.size(key),
    read: (key, start, end) => store.read(key, start, end),
    follow,
    close: key =>
      writers.run(key, async () => {
        if ((await store.size(closedKey(key))) === 0) await store.append(closedKey(key), mark)
        changed(key, one => {
          one.closed = true
        })
      }),
    delete: key =>
      writers.run(key, async () => {
        await store.delete(key)
        await store.delete(closedKey(key))
        changed(key, one => {
          one.closed = true
          one.latest = undefined
        })
      }),
  }
}

function join(followed: Map<string, Followed>, key: string): Followed {
  const one = followed.get(key) ?? {
    followers: 0,
    gate: new Gate(),
    changes: 0,
    closed: false,
    latest: undefined,
  }
  one.followers++
  followed.set(key, one)
  return one
}

/** Everything from `position` to the end as it is now: the latest append from memory when that is all, else the store's bytes. */
async function* unread(
  store: AppendStore,
  key: string,
  position: number,
  latest: Followed['latest'],
): AsyncGenerator<Uint8Array> {
  if (latest !== undefined && position >= latest.start) {
    const bytes = latest.bytes.subarray(position - latest.start)
    if (bytes.length > 0) yield bytes
    return
  }
  const size = await store.size(key)
  if (size > position) yield* await store.read(key, position, size)
}

/** That a log is complete has to outlive the process, like the log. */
function closedKey(key: string): string {
  return `${key}.closed`
}
