import { mkdirSync } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { KeyedMutex } from '../../lib/index.ts'
import { checkKey } from '../checks.ts'
import type { AppendStore } from '../ports.ts'
import { explain, hasCode, readFileRange, syncDirectory, writeAll } from './files.ts'

/** Append-only files, each at its key's path below `directory`. */
export function createFsAppends(options: { directory: string }): AppendStore {
  mkdirSync(options.directory, { recursive: true })
  const turns = new KeyedMutex()
  const pathOf = (key: string) => {
    checkKey(key)
    return join(options.directory, key)
  }
  const size = (key: string) => sizeOf(pathOf(key))
  return {
    size,
    append: async (key, bytes) => {
      const path = pathOf(key)
      return await turns.run(key, async () => {
        try {
          return await appendTo(path, bytes)
        } catch (error) {
          throw explain(error, options.directory)
        }
      })
    },
    read: async (key, start, end) => {
      const stop = end === undefined ? await size(key) : Math.min(end, await size(key))
      return readFileRange(pathOf(key), Math.max(0, start), stop)
    },
    sync: async key => {
      const path = pathOf(key)
      await turns.run(key, () => syncFile(path, options.directory))
    },
    delete: async key => {
      const path = pathOf(key)
      await turns.run(key, () => ignoreMissing(unlink(path)))
    },
    list: prefix => list(options.directory, prefix),
  }
}

async function appendTo(path: string, bytes: Uint8Array): Promise<number> {
  const handle = await openToAppend(path)
  try {
    const { size } = await handle.stat()
    try {
      await writeAll(handle, bytes, size)
    } catch (error) {
      // A torn append would shift every offset after it.
      await handle.truncate(size).catch(() => {})
      throw error
    }
    return size + bytes.length
  } finally {
    await handle.close()
  }
}

async function openToAppend(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'a')
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    await mkdir(dirname(path), { recursive: true })
    return await open(path, 'a')
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 0
    throw error
  }
}

/** The file's bytes, then every name on the way to it. */
async function syncFile(path: string, root: string): Promise<void> {
  const handle = await ignoreMissing(open(path, 'r+'))
  if (handle === undefined) return
  try {
    await handle.datasync()
  } finally {
    await handle.close()
  }
  for (let directory = dirname(path); directory.startsWith(root); directory = dirname(directory))
    await syncDirectory(directory)
}

async function list(root: string, prefix: string): Promise<string[]> {
  const slash = prefix.lastIndexOf('/')
  const folder = slash < 0 ? '' : prefix.slice(0, slash)
  if (folder !== '') checkKey(folder)
  const entries =
    (await ignoreMissing(readdir(join(root, folder), { recursive: true, withFileTypes: true }))) ??
    []
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(join(root, '/').length))
    .filter(key => key.startsWith(prefix))
    .sort()
}

async function ignoreMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}
