import { createHash, type Hash, randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { type FileHandle, open, opendir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { KeyedMutex } from '../../lib/index.ts'
import {
  blobNotFound,
  checkUploadId,
  clampRange,
  digestMismatch,
  uploadNotFound,
} from '../checks.ts'
import { type Algorithm, parseDigest } from '../digest.ts'
import type { BlobStat, BlobStore, ByteRange, Digest } from '../ports.ts'
import { explain, hasCode, moveDurably, readFileRange, writeAll } from './files.ts'

/** A hash over the first `sizeBytes` of an upload. Lost at a restart: the file is read again then. */
interface Progress {
  hash: Hash
  sizeBytes: number
}

/**
 * Blobs as files:
 *
 *     blobs/sha256/ab/abcdef…   whole and verified, never changed
 *     blobs/sha512/ab/abcdef…
 *     uploads/<id>              what has arrived so far
 *
 * An upload becomes a blob by fsync, rename and fsync of the directory.
 */
export function createFsBlobs(options: { directory: string }): BlobStore {
  mkdirSync(join(options.directory, 'blobs'), { recursive: true })
  mkdirSync(join(options.directory, 'uploads'), { recursive: true })
  return new FsBlobs(options.directory)
}

class FsBlobs implements BlobStore {
  readonly #directory: string
  readonly #progress = new Map<string, Progress>()
  readonly #turns = new KeyedMutex()

  constructor(directory: string) {
    this.#directory = directory
  }

  async stat(digest: Digest): Promise<BlobStat | undefined> {
    const sizeBytes = await this.#fileSize(this.#blobPath(digest))
    return sizeBytes === undefined ? undefined : { digest, sizeBytes }
  }

  async read(digest: Digest, range?: ByteRange): Promise<AsyncIterable<Uint8Array>> {
    const blob = await this.stat(digest)
    if (blob === undefined) throw blobNotFound(digest)
    const { start, end } = clampRange(blob.sizeBytes, range)
    return readFileRange(this.#blobPath(digest), start, end)
  }

  async createUpload(id: string): Promise<void> {
    checkUploadId(id)
    await this.#guard(async () => {
      const handle = await open(this.#uploadPath(id), 'wx')
      await handle.close()
    })
    this.#progress.set(id, { hash: createHash('sha256'), sizeBytes: 0 })
  }

  appendUpload(id: string, chunk: AsyncIterable<Uint8Array>): Promise<number> {
    checkUploadId(id)
    return this.#turns.run(id, () => this.#guard(() => this.#append(id, chunk)))
  }

  async #append(id: string, chunk: AsyncIterable<Uint8Array>): Promise<number> {
    const handle = await this.#openUpload(id)
    try {
      let { size } = await handle.stat()
      const known = this.#progress.get(id)
      const progress = known?.sizeBytes === size ? known : undefined
      if (progress === undefined) this.#progress.delete(id)
      for await (const bytes of chunk) {
        // The hash is fed while the disk writes; a failed write makes it worthless, hence the catch.
        const writing = this.#write(handle, bytes, size, id)
        progress?.hash.update(bytes)
        await writing
        size += bytes.length
        if (progress !== undefined) progress.sizeBytes = size
      }
      return size
    } finally {
      await handle.close()
    }
  }

  async #write(handle: FileHandle, bytes: Uint8Array, at: number, id: string): Promise<void> {
    try {
      await writeAll(handle, bytes, at)
    } catch (error) {
      this.#progress.delete(id)
      await handle.truncate(at).catch(() => {})
      throw error
    }
  }

  async uploadSize(id: string): Promise<number | undefined> {
    checkUploadId(id)
    return await this.#fileSize(this.#uploadPath(id))
  }

  async readUpload(id: string, range: ByteRange): Promise<AsyncIterable<Uint8Array>> {
    const sizeBytes = await this.uploadSize(id)
    if (sizeBytes === undefined) throw uploadNotFound(id)
    const { start, end } = clampRange(sizeBytes, range)
    return this.#readUploadFile(id, start, end)
  }

  async *#readUploadFile(id: string, start: number, end: number): AsyncGenerator<Uint8Array> {
    try {
      yield* readFileRange(this.#uploadPath(id), start, end)
    } catch (error) {
      throw hasCode(error, 'ENOENT') ? uploadNotFound(id) : error
    }
  }

  commitUpload(id: string, digest: Digest): Promise<BlobStat> {
    checkUploadId(id)
    const { algorithm } = parseDigest(digest)
    return this.#turns.run(id, () => this.#guard(() => this.#commit(id, digest, algorithm)))
  }

  async #commit(id: string, digest: Digest, algorithm: Algorithm): Promise<BlobStat> {
    const path = this.#uploadPath(id)
    const handle = await this.#openUpload(id)
    let sizeBytes: number
    let actual: Digest
    try {
      sizeBytes = (await handle.stat()).size
      // The disk works while the hash is computed, if it has to be.
      const [hex] = await Promise.all([
        this.#hashUpload(id, sizeBytes, algorithm),
        handle.datasync(),
      ])
      actual = `${algorithm}:${hex}`
    } finally {
      await handle.close()
    }
    if (actual !== digest) {
      await this.#removeUpload(id)
      throw digestMismatch(digest, actual)
    }
    if ((await this.stat(digest)) === undefined) await moveDurably(path, this.#blobPath(digest))
    await this.#removeUpload(id)
    return { digest, sizeBytes }
  }

  async #hashUpload(id: string, sizeBytes: number, algorithm: Algorithm): Promise<string> {
    const progress = this.#progress.get(id)
    if (algorithm === 'sha256' && progress?.sizeBytes === sizeBytes)
      return progress.hash.copy().digest('hex')
    const hash = createHash(algorithm)
    for await (const bytes of readFileRange(this.#uploadPath(id), 0, sizeBytes)) hash.update(bytes)
    return hash.digest('hex')
  }

  abortUpload(id: string): Promise<void> {
    checkUploadId(id)
    return this.#turns.run(id, () => this.#removeUpload(id))
  }

  async *staleUploads(before: number): AsyncIterable<string> {
    for await (const entry of await opendir(join(this.#directory, 'uploads'))) {
      const info = await stat(this.#uploadPath(entry.name)).catch(() => undefined)
      if (info !== undefined && info.mtimeMs < before) yield entry.name
    }
  }

  async put(bytes: Uint8Array | AsyncIterable<Uint8Array>, expected?: Digest): Promise<BlobStat> {
    const { algorithm } = expected === undefined ? { algorithm: 'sha256' } : parseDigest(expected)
    const id = `put-${randomUUID()}`
    const hash = createHash(algorithm)
    await this.createUpload(id)
    try {
      await this.appendUpload(id, tee(bytes, hash))
      return await this.commitUpload(id, expected ?? `sha256:${hash.digest('hex')}`)
    } catch (error) {
      await this.abortUpload(id)
      throw error
    }
  }

  async delete(digest: Digest): Promise<void> {
    await this.#unlink(this.#blobPath(digest))
  }

  async *list(): AsyncIterable<BlobStat> {
    for (const algorithm of ['sha256', 'sha512']) {
      const root = join(this.#directory, 'blobs', algorithm)
      for await (const directory of names(root))
        for await (const hex of names(join(root, directory))) {
          const blob = await this.stat(`${algorithm}:${hex}`)
          if (blob !== undefined) yield blob
        }
    }
  }

  async #removeUpload(id: string): Promise<void> {
    this.#progress.delete(id)
    await this.#unlink(this.#uploadPath(id))
  }

  async #unlink(path: string): Promise<void> {
    await unlink(path).catch(error => {
      if (!hasCode(error, 'ENOENT')) throw error
    })
  }

  async #openUpload(id: string): Promise<FileHandle> {
    try {
      return await open(this.#uploadPath(id), 'r+')
    } catch (error) {
      throw hasCode(error, 'ENOENT') ? uploadNotFound(id) : error
    }
  }

  async #fileSize(path: string): Promise<number | undefined> {
    try {
      return (await stat(path)).size
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    }
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw explain(error, this.#directory)
    }
  }

  #blobPath(digest: Digest): string {
    const { algorithm, hex } = parseDigest(digest)
    return join(this.#directory, 'blobs', algorithm, hex.slice(0, 2), hex)
  }

  #uploadPath(id: string): string {
    return join(this.#directory, 'uploads', id)
  }
}

/** Passes bytes on and hashes them. */
async function* tee(
  bytes: Uint8Array | AsyncIterable<Uint8Array>,
  hash: Hash,
): AsyncGenerator<Uint8Array> {
  for await (const one of bytes instanceof Uint8Array ? [bytes] : bytes) {
    hash.update(one)
    yield one
  }
}

/** Entries of a directory that may not be there. */
async function* names(directory: string): AsyncGenerator<string> {
  try {
    for await (const entry of await opendir(directory)) yield entry.name
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
}
