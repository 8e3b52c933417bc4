import { createHash } from 'node:crypto'
import type { CompileContext } from '../context.ts'
import { globMatcher } from '../decide/glob.ts'
import type { CacheEntry } from '../entries/cache.ts'

/**
 * The key of a job's `index`-th cache. One from files: prefix, dash, SHA-1 of the files' sorted blob ids; no such file: `default` in its place.
 */
export async function cacheKey(
  cache: CacheEntry,
  index: number,
  reader: CompileContext['reader'],
): Promise<string> {
  if (typeof cache.key === 'string') return cache.key
  const prefix = cache.key.prefix ?? String(index)
  const ids = reader ? await blobIds(cache.key.files, reader) : []
  if (ids.length === 0) return `${prefix}-default`
  const hash = createHash('sha1')
    .update([...new Set(ids)].sort().join('-'))
    .digest('hex')
  return `${prefix}-${hash}`
}

async function blobIds(
  files: readonly string[],
  reader: NonNullable<CompileContext['reader']>,
): Promise<string[]> {
  const isGlob = (file: string) => /[*?[{]/.test(file)
  const tree = files.some(isGlob) ? await reader.paths() : []
  const paths = files.flatMap(file => (isGlob(file) ? tree.filter(globMatcher(file)) : [file]))
  const texts = await Promise.all(paths.map(path => reader.read(path)))
  return texts.flatMap(text => (text === undefined ? [] : [blobId(text)]))
}

/** What git calls a file of this content. */
function blobId(text: string): string {
  const bytes = Buffer.from(text)
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
}
