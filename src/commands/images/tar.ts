import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { type Pack, pack } from 'tar-stream'
import type { Entry } from './entries.ts'

type Header = Parameters<Pack['entry']>[0]

/**
 * A tar of the entries in their order, streamed; every time is 0 and every group 0, so the same entries give the same bytes.
 * File contents are read when their turn comes.
 */
export async function* tar(entries: readonly [string, Entry][]): AsyncIterable<Uint8Array> {
  const archive = pack()
  const writing = write(archive, entries).catch((error: Error) => archive.destroy(error))
  try {
    for await (const chunk of archive) yield chunk as Uint8Array
  } finally {
    archive.destroy()
    await writing
  }
}

async function write(archive: Pack, entries: readonly [string, Entry][]): Promise<void> {
  for (const [name, entry] of entries) {
    const common = { name, mtime: new Date(0), uid: 0, gid: 0 }
    switch (entry.type) {
      case 'directory': {
        const header = { ...common, name: `${name}/`, type: 'directory' as const, mode: entry.mode }
        await whole(archive, { ...header, uid: entry.uid, gid: entry.uid })
        break
      }
      case 'symlink':
        await whole(archive, { ...common, type: 'symlink', mode: 0o777, linkname: entry.target })
        break
      case 'hardlink':
        await whole(archive, { ...common, type: 'link', mode: 0o755, linkname: entry.target })
        break
      case 'file':
        await file(archive, { ...common, mode: entry.mode, uid: entry.uid, gid: entry.uid }, entry)
    }
  }
  archive.finalize()
}

async function file(
  archive: Pack,
  header: Header,
  entry: Extract<Entry, { type: 'file' }>,
): Promise<void> {
  if (entry.source instanceof Uint8Array) return whole(archive, header, Buffer.from(entry.source))
  const { size } = await stat(entry.source.path)
  if (size === 0) return whole(archive, header, Buffer.alloc(0))
  await pipeline(createReadStream(entry.source.path), archive.entry({ ...header, size }))
}

function whole(archive: Pack, header: Header, content?: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null) => (error ? reject(error) : resolve())
    if (content === undefined) archive.entry(header, done)
    else archive.entry(header, content, done)
  })
}
