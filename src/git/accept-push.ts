import type { Accounts, Project, User } from '../accounts/index.ts'
import { type Clock, type Logger, type Random, uuid } from '../lib/index.ts'
import type { Push, RefUpdate } from './index.ts'
import type { ObjectReader } from './object-reader.ts'
import type { GitStore, PushIntent } from './ports.ts'
import type { GitProgram } from './program.ts'
import { isSha, zeros } from './ref-name.ts'
import type { Repositories } from './repositories.ts'

/** What every way of changing refs has in common: it is written down before, and told after. */
export interface PushBook {
  /** Writes down what is asked for. Nothing may be changed before this resolves. */
  begin(push: Omit<PushIntent, 'id' | 'startedAt'>): Promise<PushIntent>
  /** Tells `onPush` of what came about (which may be nothing), strikes the intent out, and returns the lines for the pusher. */
  finish(intent: PushIntent, updates: RefUpdate[], by: PushedBy): Promise<string[]>
  /** Which of these updates are in place, seen from the refs. */
  inPlace(projectId: number, updates: readonly RefUpdate[]): Promise<RefUpdate[]>
}

export interface PushedBy {
  project: Project
  user: User
}

export interface PushBookParts {
  accounts: Accounts
  program: GitProgram
  objects: ObjectReader
  repositories: Repositories
  store: GitStore
  clock: Clock
  random: Random
  onPush: (push: Push) => Promise<string[]>
  log: Logger
}

export function createPushBook(parts: PushBookParts): PushBook {
  const { accounts, program, objects, repositories, store, clock, random, onPush, log } = parts

  async function refs(projectId: number): Promise<Map<string, string>> {
    const args = ['for-each-ref', '--format=%(objectname) %(refname)']
    const out = await program.run(repositories.path(projectId), args)
    const lines = out.toString('utf8').split('\n')
    return new Map(lines.filter(one => one !== '').map(one => [one.slice(41), one.slice(0, 40)]))
  }

  /** The first branches of a project decide which is its default one. */
  async function settleDefault(project: Project, updates: readonly RefUpdate[]): Promise<Project> {
    const pushed = branchesOf(updates)
    if (pushed.length === 0) return project
    if (pushed.includes(project.defaultBranch)) return project
    const ref = `refs/heads/${project.defaultBranch}`
    if ((await objects.read(repositories.path(project.id), ref, 0)) !== undefined) return project
    const defaultBranch = preferred(pushed, project.defaultBranch)
    await repositories.setHead(project.id, defaultBranch)
    return accounts.updateProject(project.id, { defaultBranch })
  }

  return {
    async begin(push) {
      const intent = { ...push, id: uuid(random), startedAt: clock.now() }
      await store.addIntent(intent)
      return intent
    },
    async finish(intent, updates, { project, user }) {
      let lines: string[] = []
      if (updates.length > 0) {
        try {
          const settled = await settleDefault(project, updates)
          const { options, created } = intent
          lines = await onPush({ project: settled, user, updates, options, created })
        } catch (error) {
          // the refs are in place: the push has succeeded, and must be told as such
          log.error({ error, project: project.fullPath, updates }, 'what follows a push failed')
          lines = ['', 'An internal error kept Slipway from acting on this push; see its log.', '']
        }
      }
      await store.removeIntent(intent.id)
      return lines
    },
    async inPlace(projectId, updates) {
      if (!(await repositories.exists(projectId))) return []
      const now = await refs(projectId)
      return changes(updates).filter(one => (now.get(one.ref) ?? zeros) === one.after)
    },
  }
}

/** Those that change anything; deleting what isn't there doesn't. */
export function changes(updates: readonly RefUpdate[]): RefUpdate[] {
  return updates.filter(one => one.before !== one.after && isSha(one.after))
}

/** Names of the branches that a push makes or moves. */
export function branchesOf(updates: readonly RefUpdate[]): string[] {
  return updates
    .filter(one => one.ref.startsWith('refs/heads/') && one.after !== zeros)
    .map(one => one.ref.slice('refs/heads/'.length))
}

/** Which of these becomes the default branch. */
export function preferred(branches: readonly string[], wanted: string): string {
  return [wanted, 'main', 'master'].find(one => branches.includes(one)) ?? branches[0] ?? wanted
}
