import { pack } from 'tar-stream'

/** Content and mode by path without a leading slash. */
export type Files = Readonly<Record<string, { content: string; mode?: number }>>

/** A few small files as a tar, for `Engine.putArchive`. Directories on the way are made readable for everyone. */
export async function archiveOf(files: Files): Promise<Uint8Array> {
  const archive = pack()
  const directories = new Set<string>()
  for (const [path, { content, mode = 0o644 }] of Object.entries(files)) {
    const parts = path.split('/')
    for (let depth = 1; depth < parts.length; depth++) {
      const directory = parts.slice(0, depth).join('/')
      if (directories.has(directory)) continue
      directories.add(directory)
      archive.entry({ name: `${directory}/`, type: 'directory', mode: 0o755 })
    }
    archive.entry({ name: path, mode }, content)
  }
  archive.finalize()
  const chunks: Uint8Array[] = []
  for await (const chunk of archive) chunks.push(chunk as Uint8Array)
  return Buffer.concat(chunks)
}
