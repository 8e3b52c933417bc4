import { Failure } from '../lib/index.ts'
import type { Branch, Commit, Git } from './index.ts'
import type { GitObject, ObjectReader } from './object-reader.ts'
import { cleanPath, parseCommit, parseTree, parseTreeList } from './objects.ts'
import type { GitProgram } from './program.ts'
import { candidates, isRevision, isSha, zeros } from './ref-name.ts'
import type { Repositories } from './repositories.ts'

const maxFileBytes = 10 * 1024 * 1024
const maxCommitBytes = 4 * 1024 * 1024
const maxTreeBytes = 16 * 1024 * 1024
const maxListed = 1000
/** git knows it without having it. */
const emptyTree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904'

export type Reads = Pick<
  Git,
  'resolve' | 'commit' | 'log' | 'branches' | 'tags' | 'readFile' | 'tree' | 'changedPaths'
>

/** Reading for everyone but git clients. A project whose repository isn't there yet reads as empty. */
export function createReads(
  program: GitProgram,
  objects: ObjectReader,
  repositories: Repositories,
): Reads {
  async function read(
    projectId: number,
    name: string,
    maxBytes: number,
  ): Promise<GitObject | undefined> {
    if (!(await repositories.exists(projectId))) return undefined
    return objects.read(repositories.path(projectId), name, maxBytes)
  }

  async function resolve(projectId: number, revision: string): Promise<string | undefined> {
    return (await commitObject(projectId, revision))?.sha
  }

  async function commitObject(projectId: number, revision: string): Promise<GitObject | undefined> {
    if (!isRevision(revision)) return undefined
    for (const name of candidates(revision)) {
      const object = await read(projectId, `${name}^{commit}`, maxCommitBytes)
      if (object?.type === 'commit') return object
    }
    return undefined
  }

  async function commit(projectId: number, revision: string): Promise<Commit | undefined> {
    const object = await commitObject(projectId, revision)
    return object?.bytes === undefined ? undefined : parseCommit(object.sha, object.bytes)
  }

  async function commits(projectId: number, shas: readonly string[]): Promise<Commit[]> {
    const found = await Promise.all(shas.map(sha => commit(projectId, sha)))
    return found.filter(one => one !== undefined)
  }

  async function refs(projectId: number, below: string): Promise<Branch[]> {
    if (!(await repositories.exists(projectId))) return []
    const format = '%(refname)%00%(objectname)%00%(*objectname)'
    const args = ['for-each-ref', `--format=${format}`, below]
    const lines = await program.run(repositories.path(projectId), args)
    const named = lines
      .toString('utf8')
      .split('\n')
      .filter(line => line !== '')
    const branches = named.map(async line => {
      const [ref = '', sha = '', peeled = ''] = line.split('\0')
      const tip = await commit(projectId, peeled || sha)
      return tip && { name: ref.slice(below.length), commit: tip }
    })
    return (await Promise.all(branches)).filter(one => one !== undefined)
  }

  return {
    resolve,
    commit,
    branches: projectId => refs(projectId, 'refs/heads/'),
    tags: projectId => refs(projectId, 'refs/tags/'),
    async log(projectId, revision, { limit, skip = 0, path }) {
      const sha = await resolve(projectId, revision)
      const clean = path === undefined ? '' : cleanPath(path)
      if (sha === undefined || clean === undefined) return []
      const count = Math.max(0, Math.min(limit, maxListed))
      const args = ['rev-list', `--max-count=${count}`, `--skip=${Math.max(0, skip)}`, sha, '--']
      const out = await program.run(repositories.path(projectId), clean ? [...args, clean] : args)
      return commits(projectId, out.toString('latin1').split('\n').filter(isSha))
    },
    async readFile(projectId, revision, file, maxBytes = maxFileBytes) {
      const sha = await resolve(projectId, revision)
      const clean = cleanPath(file)
      if (sha === undefined || !clean) return undefined
      const object = await read(projectId, `${sha}:${clean}`, maxBytes)
      if (object?.type !== 'blob') return undefined
      if (object.bytes === undefined)
        throw new Failure(
          'too_large',
          `${clean} has ${object.sizeBytes} bytes; at most ${maxBytes} are read.`,
        )
      return object.bytes
    },
    async tree(projectId, revision, directory, recursive = false) {
      const sha = await resolve(projectId, revision)
      const clean = cleanPath(directory)
      if (sha === undefined || clean === undefined) return undefined
      const name = clean === '' ? `${sha}^{tree}` : `${sha}:${clean}`
      const object = await read(projectId, name, maxTreeBytes)
      if (object?.type !== 'tree') return undefined
      if (object.bytes === undefined)
        throw new Failure('too_large', `The folder ${clean} has too many entries.`)
      if (!recursive) return parseTree(object.bytes, clean)
      const args = ['ls-tree', '-r', '-t', '-z', '--full-tree', object.sha]
      const listed = await program.run(repositories.path(projectId), args, {
        maxBytes: maxTreeBytes,
      })
      return parseTreeList(listed.toString('utf8'), clean)
    },
    async changedPaths(projectId, before, after) {
      const [from, to] = await Promise.all(
        [before, after].map(sha => (sha === zeros ? emptyTree : resolve(projectId, sha))),
      )
      if (from === undefined || to === undefined)
        throw new Failure('not_found', `There is no commit ${from === undefined ? before : after}.`)
      const args = ['diff-tree', '-r', '-z', '--name-only', '--no-renames', from, to]
      const out = await program.run(repositories.path(projectId), args)
      return out
        .toString('utf8')
        .split('\0')
        .filter(one => one !== '')
    },
  }
}
