import { Failure } from '../lib/index.ts'
import type { ByteRange, Digest } from './ports.ts'

export function digestMismatch(expected: Digest, actual: Digest): Failure {
  return new Failure('invalid', `the content's digest is ${actual}, not ${expected}`, {
    details: { expected, actual },
  })
}

export function blobNotFound(digest: Digest): Failure {
  return new Failure('not_found', `blob ${digest} is not here`, { details: { digest } })
}

export function uploadNotFound(id: string): Failure {
  return new Failure('not_found', `upload ${id} is not here`, {
    hint: 'It ended, expired or was never started: start a new one.',
  })
}

/** Where reading starts and stops (exclusive), within a blob of this size. */
export function clampRange(sizeBytes: number, range: ByteRange | undefined): Required<ByteRange> {
  const end = Math.min(range?.end ?? sizeBytes, sizeBytes)
  return { start: Math.max(0, Math.min(range?.start ?? 0, end)), end }
}

const uploadId = /^[A-Za-z0-9_-]{1,100}$/

/** Upload ids become file names: throws for anything else than letters, digits, `-` and `_`. */
export function checkUploadId(id: string): void {
  if (!uploadId.test(id)) throw uploadNotFound(id.slice(0, 100))
}

/** Keys of append-only files become paths. */
export function checkKey(key: string): void {
  const segments = key.split('/')
  const isSafe = segments.every(one => /^[A-Za-z0-9_.-]{1,200}$/.test(one) && !/^\.+$/.test(one))
  if (!isSafe || key.length > 1000)
    throw new Failure('invalid', `not a key: ${JSON.stringify(key.slice(0, 160))}`)
}
