import { Failure, Gate, uuid } from '../lib/index.ts'
import type { RegistryOptions } from './ports.ts'

type Parts = Pick<RegistryOptions, 'blobs' | 'store' | 'clock' | 'random' | 'log'>

export interface RemoteBlob {
  sizeBytes: number
  body: AsyncIterable<Uint8Array>
}

/** A blob on its way from an upstream into the store. Readers follow what has been written. */
interface Fetch {
  id: string
  digest: string
  sizeBytes: number
  written: number
  ended?: { error?: unknown }
  gate: Gate
}

export interface Fetches {
  /** Joins the fetch of this blob, or begins it: however many ask, the upstream is asked once. Undefined when it isn't there. */
  join(
    repository: string,
    digest: string,
    open: () => Promise<RemoteBlob | undefined>,
  ): Promise<{ sizeBytes: number; read(): AsyncIterable<Uint8Array> } | undefined>
}

export function createFetches(parts: Parts): Fetches {
  const running = new Map<string, Promise<Fetch | undefined>>()
  return {
    async join(repository, digest, open) {
      const key = `${repository}@${digest}`
      let fetch = running.get(key)
      if (fetch === undefined) {
        fetch = begin(parts, repository, digest, open, () => running.delete(key))
        running.set(key, fetch)
      }
      const found = await fetch
      return found && { sizeBytes: found.sizeBytes, read: () => follow(parts, found) }
    },
  }
}

async function begin(
  parts: Parts,
  repository: string,
  digest: string,
  open: () => Promise<RemoteBlob | undefined>,
  onEnd: () => void,
): Promise<Fetch | undefined> {
  try {
    const remote = await open()
    if (remote === undefined) {
      onEnd()
      return undefined
    }
    const id = uuid(parts.random)
    await parts.blobs.createUpload(id)
    // Noted like a client's, so that garbage collection ends it after a crash.
    await parts.store.saveUpload({ id, repository, userId: 0, startedAt: parts.clock.now() })
    const { sizeBytes } = remote
    const fetch: Fetch = { id, digest, sizeBytes, written: 0, gate: new Gate() }
    void store(parts, repository, fetch, remote.body).finally(onEnd)
    return fetch
  } catch (error) {
    onEnd()
    throw error
  }
}

/** Never rejects: readers learn from `ended`. */
async function store(
  parts: Parts,
  repository: string,
  fetch: Fetch,
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { id, digest, gate } = fetch
  try {
    await parts.blobs.appendUpload(id, counted(body, fetch))
    const { sizeBytes } = await parts.blobs.commitUpload(id, digest)
    await parts.store.linkBlob({ repository, digest, sizeBytes, linkedAt: parts.clock.now() })
    fetch.ended = {}
  } catch (error) {
    parts.log.warn({ repository, digest, err: error }, 'a blob could not be fetched')
    await parts.blobs.abortUpload(id).catch(() => {})
    fetch.ended = { error }
  }
  await parts.store.deleteUpload(id).catch(() => {})
  gate.wake()
}

/** The store asks for the next chunk when it has written the one before: then readers may have that. */
async function* counted(body: AsyncIterable<Uint8Array>, fetch: Fetch): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    yield chunk
    fetch.written += chunk.length
    fetch.gate.wake()
  }
}

/** All bytes in order, as they arrive. The reader has no digest to trust before the end: it throws when the fetch failed. */
async function* follow(parts: Parts, fetch: Fetch): AsyncGenerator<Uint8Array> {
  let at = 0
  for (;;) {
    const next = fetch.gate.wait()
    if (fetch.ended?.error !== undefined) throw fetch.ended.error
    if (fetch.ended !== undefined) return yield* await parts.blobs.read(fetch.digest, { start: at })
    if (fetch.written === at) await next
    else
      for await (const chunk of await written(parts, fetch, at)) {
        at += chunk.length
        yield chunk
      }
  }
}

async function written(
  parts: Parts,
  fetch: Fetch,
  start: number,
): Promise<AsyncIterable<Uint8Array>> {
  try {
    return tolerant(await parts.blobs.readUpload(fetch.id, { start, end: fetch.written }))
  } catch (error) {
    if (isGone(error)) return tolerant([])
    throw error
  }
}

/** The upload may become a blob between two reads: the next round reads on from there. */
async function* tolerant(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks
  } catch (error) {
    if (!isGone(error)) throw error
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Failure && error.code === 'not_found'
}
