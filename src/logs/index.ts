/**
 * Logs: append, mask, follow. One implementation for job traces and app logs, over `blobs`' append-only files.
 */
export { createLogs } from './logs.ts'
export { createMasker } from './masker.ts'

/** A growing text. Offsets are bytes. Any number of readers; one writer at a time. */
export interface Logs {
  /** Appends at `start`, which must be the size (else nothing is written: compare the answer). Without `start`: at the end. Durable when it resolves. */
  append(
    key: string,
    bytes: Uint8Array,
    start?: number,
  ): Promise<{ written: boolean; size: number }>
  size(key: string): Promise<number>
  read(key: string, start: number, end?: number): Promise<AsyncIterable<Uint8Array>>
  /** Everything from `start` on, as it comes, until `close(key)` was called or the signal aborts. */
  follow(key: string, start: number, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** No more will come: followers end after the last byte, those who come later too. Idempotent. */
  close(key: string): Promise<void>
  delete(key: string): Promise<void>
}

/** Replaces secrets in a stream by `[MASKED]`, also across chunk borders (runner-protocol §13). */
export interface Masker {
  /** What can be written now; a possible prefix of a secret is held back. */
  push(bytes: Uint8Array): Uint8Array
  /** The rest, at the end of the stream. */
  flush(): Uint8Array
}
