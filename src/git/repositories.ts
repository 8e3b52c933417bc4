import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { KeyedMutex, messageOf, type Random, uuid } from '../lib/index.ts'
import type { GitProgram } from './program.ts'

/**
 * Where repositories are:
 *
 *     <directory>/12.git         the bare repository of project 12
 *     <directory>/empty.git      what someone who may make a project sees before it is there
 *     <directory>/tmp-<id>       one that is being made, or was deleted and is going away
 */
export interface Repositories {
  path(projectId: number): string
  /** Its path; made if it isn't there, with HEAD on that branch. */
  ensure(projectId: number, defaultBranch: string): Promise<string>
  exists(projectId: number): Promise<boolean>
  delete(projectId: number): Promise<void>
  /** An empty one that nobody writes to. */
  empty(): Promise<string>
  /** Points HEAD to that branch, unless it does. */
  setHead(projectId: number, branch: string): Promise<void>
  /** Removes what a crash left half-made. */
  tidy(): Promise<void>
}

export function createRepositories(
  directory: string,
  program: GitProgram,
  random: Random,
): Repositories {
  const one = new KeyedMutex()
  const pathOf = (name: string | number) => path.join(directory, `${name}.git`)

  async function ensure(name: string | number, branch: string): Promise<string> {
    const target = pathOf(name)
    if (await isThere(target)) return target
    return one.run(name, async () => {
      if (await isThere(target)) return target
      await mkdir(directory, { recursive: true })
      const temporary = path.join(directory, `tmp-${uuid(random)}`)
      const args = ['init', '--quiet', '--bare', '--template=', `--initial-branch=${branch}`]
      await program.run(temporary, args)
      await rename(temporary, target)
      return target
    })
  }

  return {
    path: pathOf,
    ensure,
    exists: projectId => isThere(pathOf(projectId)),
    empty: () => ensure('empty', 'main'),
    delete: projectId =>
      one.run(projectId, async () => {
        const temporary = path.join(directory, `tmp-${uuid(random)}`)
        if (!(await isThere(pathOf(projectId)))) return
        await rename(pathOf(projectId), temporary)
        await rm(temporary, { recursive: true, force: true })
      }),
    async setHead(projectId, branch) {
      const ref = `refs/heads/${branch}`
      const head = await readFile(path.join(pathOf(projectId), 'HEAD'), 'utf8')
      if (head.trim() === `ref: ${ref}`) return
      await program.run(pathOf(projectId), ['symbolic-ref', 'HEAD', ref])
    },
    async tidy() {
      const names = await readdir(directory).catch(() => [])
      const left = names.filter(name => name.startsWith('tmp-'))
      for (const name of left)
        await rm(path.join(directory, name), { recursive: true, force: true })
    },
  }
}

async function isThere(directory: string): Promise<boolean> {
  try {
    return (await stat(directory)).isDirectory()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw new Error(`${directory}: ${messageOf(error)}`, { cause: error })
  }
}
