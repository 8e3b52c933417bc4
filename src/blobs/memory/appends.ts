import { checkKey } from '../checks.ts'
import type { AppendStore } from '../ports.ts'

/** For tests: append-only files in memory. */
export function createMemoryAppends(): AppendStore {
  const files = new Map<string, Buffer>()
  const bytesOf = (key: string) => {
    checkKey(key)
    return files.get(key) ?? Buffer.alloc(0)
  }
  return {
    append: async (key, bytes) => {
      const whole = Buffer.concat([bytesOf(key), bytes])
      files.set(key, whole)
      return whole.length
    },
    read: async (key, start, end) => slice(bytesOf(key), Math.max(0, start), end),
    size: async key => bytesOf(key).length,
    sync: async key => checkKey(key),
    delete: async key => {
      checkKey(key)
      files.delete(key)
    },
    list: async prefix => [...files.keys()].filter(key => key.startsWith(prefix)).sort(),
  }
}

async function* slice(bytes: Buffer, start: number, end?: number): AsyncGenerator<Uint8Array> {
  const part = bytes.subarray(start, Math.min(end ?? bytes.length, bytes.length))
  if (part.length > 0) yield part
}
