import { type FileHandle, mkdir, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Failure } from '../../lib/index.ts'

export const readChunkBytes = 256 * 1024

export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}

/** What the machine lacks becomes `Failure('unavailable')` with what to do; anything else stays as it is. */
export function explain(error: unknown, directory: string): unknown {
  if (hasCode(error, 'ENOSPC', 'EDQUOT'))
    // "no space left on device" are the words at which dockerd stops trying again.
    return new Failure(
      'unavailable',
      "no space left on device: the data directory's disk is full",
      {
        hint: 'Free some space there (slipway registry gc) or move the data directory to a larger disk, then try again',
        details: { reason: 'disk_full', directory },
        cause: error,
      },
    )
  if (hasCode(error, 'EMFILE', 'ENFILE'))
    return new Failure('unavailable', 'too many open files', {
      hint: 'Raise the limit (ulimit -n) or try again when fewer transfers run.',
      details: { reason: 'too_many_files' },
      cause: error,
    })
  if (hasCode(error, 'EROFS', 'EACCES', 'EIO'))
    return new Failure('unavailable', `cannot write to ${directory}: ${(error as Error).message}`, {
      hint: 'Look at the disk and at the permissions of the data directory.',
      cause: error,
    })
  return error
}

/** Writes all of `bytes` at `position`: a single write may be short. */
export async function writeAll(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, position + at)
    at += bytesWritten
  }
}

/** Makes the names in a directory survive a power cut. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Moves a synced file to its final name, durably: the directory's names are synced, and its parent's when it is new. */
export async function moveDurably(from: string, to: string): Promise<void> {
  const directory = dirname(to)
  const made = await mkdir(directory, { recursive: true })
  await rename(from, to)
  await syncDirectory(directory)
  if (made !== undefined) await syncDirectory(dirname(directory))
}

/** Reads `[start, end)` in chunks. The file is opened at the first pull, and closed at the end or when the reader stops. */
export async function* readFileRange(
  path: string,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  if (start >= end) return
  const handle = await open(path, 'r')
  try {
    for (let at = start; at < end; ) {
      const buffer = Buffer.allocUnsafe(Math.min(readChunkBytes, end - at))
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, at)
      if (bytesRead === 0) return
      at += bytesRead
      yield bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead)
    }
  } finally {
    await handle.close()
  }
}
