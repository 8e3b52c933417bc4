import type { Accounts } from '../accounts/index.ts'
import { type Clock, type Logger, type Random, systemRandom } from '../lib/index.ts'
import { createPushBook } from './accept-push.ts'
import { createHandler } from './http.ts'
import type { Git, Push } from './index.ts'
import { createObjectReader } from './object-reader.ts'
import type { GitStore } from './ports.ts'
import { createGitProgram } from './program.ts'
import { createReads } from './reads.ts'
import { recover } from './recover.ts'
import { createRefCalls } from './refs.ts'
import { createRepositories } from './repositories.ts'

const defaultMaxPackBytes = 2 * 1024 ** 3

export interface GitOptions {
  /** Where the repositories are; absolute. */
  directory: string
  accounts: Accounts
  store: GitStore
  clock: Clock
  random?: Random
  /** Told of every accepted change of refs; its lines are shown to the pusher. It may be told twice of one that a crash interrupted. */
  onPush: (push: Push) => Promise<string[]>
  log: Logger
  /** Where to find git. */
  path?: string
  /** Of one push; default: 2 GiB. */
  maxPackBytes?: number
}

export function createGit(options: GitOptions): Git {
  const { directory, accounts, store, clock, onPush, log } = options
  const random = options.random ?? systemRandom
  const program = createGitProgram(options.path ?? process.env['PATH'] ?? '')
  const repositories = createRepositories(directory, program, random)
  const objects = createObjectReader(program)
  const reads = createReads(program, objects, repositories)
  const base = { accounts, program, objects, repositories, store }
  const book = createPushBook({ ...base, clock, random, onPush, log })
  const maxPackBytes = options.maxPackBytes ?? defaultMaxPackBytes
  const answering = new Set<Promise<unknown>>()
  const handle = createHandler({ accounts, program, repositories, book, maxPackBytes, log })
  return {
    ...reads,
    ...createRefCalls({ accounts, program, repositories, reads, book }),
    async handle(request, response) {
      const answer = handle(request, response)
      answering.add(answer)
      try {
        return await answer
      } finally {
        answering.delete(answer)
      }
    },
    recover: () => recover({ directory, accounts, repositories, store, book, log }),
    async ensureRepository(projectId) {
      const project = await accounts.project(projectId)
      await repositories.ensure(projectId, project?.defaultBranch ?? 'main')
    },
    async deleteRepository(projectId) {
      objects.forget(repositories.path(projectId))
      await repositories.delete(projectId)
    },
    async close() {
      await objects.close()
      await program.close()
      await Promise.allSettled(answering)
    },
  }
}
