import { createHash } from 'node:crypto'
import { type Clock, Failure, systemClock } from '../../lib/index.ts'
import {
  blobNotFound,
  checkUploadId,
  clampRange,
  digestMismatch,
  uploadNotFound,
} from '../checks.ts'
import { parseDigest } from '../digest.ts'
import type { BlobStat, BlobStore, Digest } from '../ports.ts'

interface Upload {
  chunks: Uint8Array[]
  sizeBytes: number
  touchedAt: number
}

/** For tests: everything in memory. `capacityBytes` is the size of the disk that fills up. */
export function createMemoryBlobs(
  options: { clock?: Clock; capacityBytes?: number } = {},
): BlobStore {
  const clock = options.clock ?? systemClock
  const capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY
  const blobs = new Map<Digest, Uint8Array>()
  const uploads = new Map<string, Upload>()
  let usedBytes = 0

  const uploadOf = (id: string) => {
    const upload = uploads.get(id)
    if (upload === undefined) throw uploadNotFound(id)
    return upload
  }
  const abortUpload = async (id: string) => {
    usedBytes -= uploads.get(id)?.sizeBytes ?? 0
    uploads.delete(id)
  }
  const appendUpload = async (id: string, chunk: AsyncIterable<Uint8Array>) => {
    const upload = uploadOf(id)
    for await (const bytes of chunk) {
      if (usedBytes + bytes.length > capacityBytes) throw full()
      usedBytes += bytes.length
      upload.chunks.push(Uint8Array.from(bytes))
      upload.sizeBytes += bytes.length
      upload.touchedAt = clock.now()
    }
    return upload.sizeBytes
  }
  const keep = (digest: Digest, bytes: Uint8Array): BlobStat => {
    const { algorithm } = parseDigest(digest)
    const actual = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
    if (actual !== digest) throw digestMismatch(digest, actual)
    if (!blobs.has(digest)) usedBytes += bytes.length
    blobs.set(digest, bytes)
    return { digest, sizeBytes: bytes.length }
  }

  return {
    abortUpload,
    appendUpload,
    stat: async digest => {
      parseDigest(digest)
      const bytes = blobs.get(digest)
      return bytes === undefined ? undefined : { digest, sizeBytes: bytes.length }
    },
    read: async (digest, range) => {
      const bytes = blobs.get(digest)
      if (bytes === undefined) throw blobNotFound(digest)
      const { start, end } = clampRange(bytes.length, range)
      return one(bytes.subarray(start, end))
    },
    createUpload: async id => {
      checkUploadId(id)
      if (uploads.has(id)) throw new Failure('conflict', `upload ${id} is there already`)
      uploads.set(id, { chunks: [], sizeBytes: 0, touchedAt: clock.now() })
    },
    uploadSize: async id => uploads.get(id)?.sizeBytes,
    readUpload: async (id, range) => {
      const { chunks, sizeBytes } = uploadOf(id)
      return slices([...chunks], clampRange(sizeBytes, range))
    },
    commitUpload: async (id, digest) => {
      parseDigest(digest)
      const { chunks } = uploadOf(id)
      await abortUpload(id)
      return keep(digest, Buffer.concat(chunks))
    },
    async *staleUploads(before) {
      for (const [id, upload] of [...uploads]) if (upload.touchedAt < before) yield id
    },
    put: async (bytes, expected) => {
      const chunks: Uint8Array[] = []
      for await (const part of bytes instanceof Uint8Array ? [bytes] : bytes) chunks.push(part)
      const whole = Buffer.concat(chunks)
      if (usedBytes + whole.length > capacityBytes) throw full()
      return keep(expected ?? `sha256:${createHash('sha256').update(whole).digest('hex')}`, whole)
    },
    delete: async digest => {
      usedBytes -= blobs.get(digest)?.length ?? 0
      blobs.delete(digest)
    },
    async *list() {
      for (const [digest, bytes] of [...blobs]) yield { digest, sizeBytes: bytes.length }
    },
  }
}

function full(): Failure {
  return new Failure('unavailable', 'no space left on device: the memory store is full', {
    hint: 'Give the store more capacity.',
    details: { reason: 'disk_full' },
  })
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes
}

async function* slices(
  chunks: readonly Uint8Array[],
  { start, end }: { start: number; end: number },
): AsyncGenerator<Uint8Array> {
  let at = 0
  for (const chunk of chunks) {
    const part = chunk.subarray(Math.max(0, start - at), Math.max(0, end - at))
    at += chunk.length
    if (part.length > 0) yield part
  }
}
