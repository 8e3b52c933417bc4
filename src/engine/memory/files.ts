import path from 'node:path/posix'
import { Readable } from 'node:stream'
import { extract, pack } from 'tar-stream'
import { Failure } from '../../lib/index.ts'

/** Absolute path → contents. Directories are implied. */
export type Files = Map<string, Uint8Array>

export async function unpackInto(
  files: Files,
  directory: string,
  tar: AsyncIterable<Uint8Array> | Uint8Array,
): Promise<void> {
  const entries = Readable.from(tar instanceof Uint8Array ? [tar] : tar).pipe(extract())
  for await (const entry of entries) {
    const parts: Uint8Array[] = []
    for await (const part of entry) parts.push(part as Uint8Array)
    if (entry.header.type === 'file')
      files.set(path.join('/', directory, path.join('/', entry.header.name)), Buffer.concat(parts))
  }
}

/** As Docker names them: entries begin with the last part of `wanted`. */
export function packFrom(files: Files, wanted: string): AsyncIterable<Uint8Array> {
  const root = path.join('/', wanted).replace(/(.)\/$/, '$1')
  const below = root === '/' ? '/' : `${root}/`
  const found = [...files].filter(([name]) => name === root || name.startsWith(below))
  if (found.length === 0)
    throw new Failure('not_found', `Could not find the file ${wanted} in the container`)
  const tar = pack()
  for (const [name, bytes] of found)
    tar.entry(
      { name: path.join(path.basename(root), path.relative(root, name)) },
      Buffer.from(bytes),
    )
  tar.finalize()
  return tar as AsyncIterable<Uint8Array>
}
