import type { Accounts, Project, User } from '../accounts/index.ts'
import { Failure } from '../lib/index.ts'
import type { PushBook } from './accept-push.ts'
import type { Git, RefUpdate } from './index.ts'
import { GitError, type GitProgram } from './program.ts'
import type { Reads } from './reads.ts'
import { isSha, refProblem, zeros } from './ref-name.ts'
import type { Repositories } from './repositories.ts'

export type RefCalls = Pick<Git, 'createBranch' | 'deleteBranch' | 'keepRef' | 'dropRef'>

export interface RefParts {
  accounts: Accounts
  program: GitProgram
  repositories: Repositories
  reads: Reads
  book: PushBook
}

/** Changes of refs that come from the API instead of a git client. */
export function createRefCalls(parts: RefParts): RefCalls {
  const { program, repositories, reads, book } = parts

  async function change(project: Project, user: User, update: RefUpdate): Promise<void> {
    const by = { project, user }
    const intent = await book.begin({
      projectId: project.id,
      userId: user.id,
      updates: [update],
      options: [],
      created: false,
    })
    try {
      await updateRef(program, repositories.path(project.id), update)
    } catch (error) {
      await book.finish(intent, [], by)
      throw error
    }
    await book.finish(intent, [update], by)
  }

  return {
    async createBranch(project, user, name, revision) {
      const ref = branchRef(name)
      const after = await reads.resolve(project.id, revision)
      if (after === undefined)
        throw new Failure('not_found', `There is no branch, tag or commit ${revision}.`)
      await change(project, user, { ref, before: zeros, after })
      const commit = await reads.commit(project.id, after)
      if (commit === undefined) throw new Failure('not_found', `There is no commit ${after}.`)
      return { name, commit }
    },
    async deleteBranch(project, user, name) {
      const ref = branchRef(name)
      const before = await reads.resolve(project.id, ref)
      if (before === undefined) throw new Failure('not_found', `There is no branch ${name}.`)
      if (name === project.defaultBranch)
        throw new Failure('invalid', `${name} is the default branch; it can't be deleted.`, {
          hint: 'Make another branch the default one first.',
        })
      await change(project, user, { ref, before, after: zeros })
    },
    async keepRef(projectId, ref, sha) {
      checkKept(ref)
      if (!isSha(sha)) throw new Failure('invalid', `${sha} is not a full SHA.`)
      const input = `update ${ref}\0${sha}\0\0`
      await program.run(repositories.path(projectId), ['update-ref', '--stdin', '-z'], { input })
    },
    async dropRef(projectId, ref) {
      checkKept(ref)
      if (!(await repositories.exists(projectId))) return
      const input = `delete ${ref}\0\0`
      await program.run(repositories.path(projectId), ['update-ref', '--stdin', '-z'], { input })
    },
  }
}

/** Refs of Slipway's own are below `refs/pipelines`, where nobody can push. */
function checkKept(ref: string): void {
  const problem = ref.startsWith('refs/pipelines/')
    ? refProblem(ref)
    : 'is not below refs/pipelines'
  if (problem !== undefined) throw new Failure('invalid', `The ref ${ref} ${problem}.`)
}

function branchRef(name: string): string {
  const problem = refProblem(`refs/heads/${name}`)
  if (problem === undefined) return `refs/heads/${name}`
  throw new Failure('invalid', `The branch name ${JSON.stringify(name)} ${problem}.`)
}

/** Moves one ref from the value that it has to have. Throws `Failure('conflict')` when it hasn't, or another ref is in the way. */
async function updateRef(
  program: GitProgram,
  directory: string,
  { ref, before, after }: RefUpdate,
): Promise<void> {
  const input =
    after === zeros ? `delete ${ref}\0${before}\0` : `update ${ref}\0${after}\0${before}\0`
  try {
    await program.run(directory, ['update-ref', '--stdin', '-z'], { input })
  } catch (error) {
    if (!(error instanceof GitError)) throw error
    const name = ref.replace('refs/heads/', '')
    const said = error.errors.replace(/^fatal: (prepare: )?/, '').trim()
    const message = /reference already exists/.test(said)
      ? `The branch ${name} exists already.`
      : `The branch ${name} can't be changed: ${said}`
    throw new Failure('conflict', message, { cause: error })
  }
}
