/** The two ports of this module; `index.ts` says what holds for both. */

/** `sha256:<64 hex>` or `sha512:<128 hex>`, lower case. */
export type Digest = string

export interface BlobStat {
  digest: Digest
  sizeBytes: number
}

/** A byte range; `end` is exclusive. */
export interface ByteRange {
  start: number
  end?: number
}

/** Content-addressed storage. All methods may run side by side. */
export interface BlobStore {
  stat(digest: Digest): Promise<BlobStat | undefined>
  /** Throws `Failure('not_found')`. */
  read(digest: Digest, range?: ByteRange): Promise<AsyncIterable<Uint8Array>>
  /** Starts an upload whose id the caller chose (a UUID). It survives a restart of the process. */
  createUpload(id: string): Promise<void>
  /** Appends and returns the upload's new size. Bytes are on disk when it resolves. Throws `Failure('not_found')`, and `Failure('unavailable')` when the disk is full. */
  appendUpload(id: string, chunk: AsyncIterable<Uint8Array>): Promise<number>
  uploadSize(id: string): Promise<number | undefined>
  /** What has arrived so far, from `range.start` on. Throws `Failure('not_found')` once it has ended. */
  readUpload(id: string, range: ByteRange): Promise<AsyncIterable<Uint8Array>>
  /** Verifies the digest, makes the blob durable and visible, and ends the upload. Throws `Failure('invalid')` when the digest differs; the upload is gone then too. */
  commitUpload(id: string, digest: Digest): Promise<BlobStat>
  abortUpload(id: string): Promise<void>
  /** Uploads not touched since `before` (ms since the epoch). */
  staleUploads(before: number): AsyncIterable<string>
  /** One call for bytes at hand: returns the digest (sha256 unless asked otherwise). */
  put(bytes: Uint8Array | AsyncIterable<Uint8Array>, expected?: Digest): Promise<BlobStat>
  delete(digest: Digest): Promise<void>
  list(): AsyncIterable<BlobStat>
}

/** Append-only files by key (`traces/12`, `apps/<id>/000001`). Keys: `[A-Za-z0-9_./-]`, no `..`. */
export interface AppendStore {
  /** Appends and returns the new size. The bytes survive a `kill -9` of this process when it resolves. One writer a key. */
  append(key: string, bytes: Uint8Array): Promise<number>
  /** Bytes from `start` to `end` (exclusive; default: the size now). An unknown key reads as empty. */
  read(key: string, start: number, end?: number): Promise<AsyncIterable<Uint8Array>>
  size(key: string): Promise<number>
  /** Survives a power cut from here on. */
  sync(key: string): Promise<void>
  delete(key: string): Promise<void>
  /** Keys with that prefix, sorted. */
  list(prefix: string): Promise<string[]>
}
