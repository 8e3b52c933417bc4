/**
 * Bytes that outlive the process: the port, and its adapters `fs/`, `memory/` (and later `s3/`).
 *
 * Three shapes, since the product has three: content-addressed blobs (layers, artifacts), uploads that become blobs,
 * and append-only files (traces, logs). A crash at any point leaves nothing half-visible: a blob is there whole or not at all.
 */
export { hexOf, isDigest, parseDigest } from './digest.ts'
export { createFsAppends } from './fs/appends.ts'
export { createFsBlobs } from './fs/blobs.ts'
export { createMemoryAppends } from './memory/appends.ts'
export { createMemoryBlobs } from './memory/blobs.ts'
export type { AppendStore, BlobStat, BlobStore, ByteRange, Digest } from './ports.ts'
