/** Files of a working copy, for `slipway lint`: nothing outside its root, no network. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import type { SourceReader } from '../ci/index.ts'
import { Failure } from '../lib/index.ts'

export interface LintTarget {
  text: string
  /** As shown in problems. */
  name: string
  /** Directory that `include:local` and `exists` are relative to. */
  root: string
}

const configFile = '.gitlab-ci.yml'
const maxFileBytes = 8 * 1024 * 1024
const maxPaths = 100_000

/** `-`: standard input; a directory: its `.gitlab-ci.yml`. Throws `Failure` when there is nothing to read. */
export async function readTarget(path: string, stdin: AsyncIterable<Buffer>): Promise<LintTarget> {
  if (path === '-') return { text: await readAll(stdin), name: configFile, root: process.cwd() }
  const found = await stat(path).catch(() => undefined)
  if (!found)
    throw new Failure('not_found', `${path} does not exist`, {
      hint: 'name a file, a directory, or - for standard input',
    })
  const file = found.isDirectory() ? join(path, configFile) : path
  const info = await stat(file).catch(() => undefined)
  if (!info?.isFile()) {
    throw new Failure('not_found', `There is no ${configFile} in ${path}`, {
      hint: 'name the file itself if it is called otherwise',
    })
  }
  if (info.size > maxFileBytes) throw new Failure('too_large', `${file} is larger than 8 MiB`)
  const root = found.isDirectory() ? resolve(path) : await workingCopy(dirname(resolve(file)))
  return { text: await readFile(file, 'utf8'), name: relative(root, resolve(file)), root }
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    size += chunk.length
    if (size > maxFileBytes) throw new Failure('too_large', 'Standard input is larger than 8 MiB')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The nearest directory above that is a git working copy, else the directory itself. */
async function workingCopy(directory: string): Promise<string> {
  for (let at = directory; ; at = dirname(at)) {
    if (await stat(join(at, '.git')).catch(() => undefined)) return at
    if (dirname(at) === at) return directory
  }
}

/** Reads below `root`; a link that leads out of it counts as absent. */
export function workingCopyReader(root: string): SourceReader {
  let listed: Promise<string[]> | undefined
  return {
    async read(path) {
      try {
        const real = await realpath(join(root, path))
        const base = await realpath(root)
        const info = await stat(real)
        if (!real.startsWith(base + sep) || !info.isFile() || info.size > maxFileBytes)
          return undefined
        return await readFile(real, 'utf8')
      } catch {
        return undefined
      }
    },
    paths() {
      listed ??= listPaths(root)
      return listed
    },
    project: async () => 'no_project',
    remote: async () => ({ reason: 'lint being offline' }),
    template: async () => undefined,
  }
}

async function listPaths(root: string): Promise<string[]> {
  const paths: string[] = []
  const pending = ['']
  while (pending.length > 0 && paths.length < maxPaths) {
    const directory = pending.pop()!
    const entries = await readdir(join(root, directory), { withFileTypes: true }).catch(() => [])
    for (const entry of entries) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`
      if (entry.isDirectory() && entry.name !== '.git' && entry.name !== 'node_modules')
        pending.push(path)
      else if (entry.isFile()) paths.push(path)
    }
  }
  return paths.sort()
}
