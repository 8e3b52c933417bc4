import { readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Accounts } from '../accounts/index.ts'
import type { Logger } from '../lib/index.ts'
import type { PushBook } from './accept-push.ts'
import type { GitStore, PushIntent } from './ports.ts'
import type { Repositories } from './repositories.ts'

const patienceMs = 5000
const pollMs = 20

export interface RecoverParts {
  directory: string
  accounts: Accounts
  repositories: Repositories
  store: GitStore
  book: PushBook
  log: Logger
}

/** Finishes the pushes that a crash interrupted: what is in place is told to `onPush`, what isn't has never happened. */
export async function recover(parts: RecoverParts): Promise<void> {
  const { directory, accounts, repositories, store, book, log } = parts
  await endOrphans(directory)
  await repositories.tidy()
  for (const intent of await store.intents()) {
    const project = await accounts.project(intent.projectId)
    const user = await accounts.user(intent.userId)
    if (project === undefined || user === undefined) {
      await store.removeIntent(intent.id)
      continue
    }
    await removeLeftovers(repositories.path(project.id), intent)
    const updates = await book.inPlace(project.id, intent.updates)
    log.info({ project: project.fullPath, updates }, 'finishing a push that was interrupted')
    await book.finish(intent, updates, { project, user })
  }
}

/**
 * A killed server leaves its git programs running, and one that already has the whole pack would move refs later. SIGTERM lets them remove their locks. Only programs that
 * work in our directory are touched; where there is no /proc, they end by themselves.
 */
async function endOrphans(directory: string): Promise<void> {
  const orphans = await programsIn(directory)
  for (const pid of orphans) signal(pid, 'SIGTERM')
  for (let waitedMs = 0; orphans.some(isAlive); waitedMs += pollMs) {
    if (waitedMs === patienceMs) for (const pid of orphans) signal(pid, 'SIGKILL')
    if (waitedMs > 2 * patienceMs) return
    await new Promise(resolve => setTimeout(resolve, pollMs))
  }
}

async function programsIn(directory: string): Promise<number[]> {
  const found: number[] = []
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name)) continue
    const line = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')
    const args = line.split('\0')
    const isGit = path.basename(args[0] ?? '') === 'git' && args.includes('receive-pack')
    if (isGit && args.some(arg => path.dirname(arg) === directory)) found.push(Number(name))
  }
  return found
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, name)
    return true
  } catch {
    return false
  }
}

function isAlive(pid: number): boolean {
  return signal(pid, 0)
}

/** What git can't remove when it is killed itself. Nothing else works in this repository yet. */
async function removeLeftovers(repository: string, intent: PushIntent): Promise<void> {
  const locks = ['HEAD', 'packed-refs', ...intent.updates.map(one => one.ref)]
  for (const name of locks) {
    const file = path.join(repository, `${name}.lock`)
    if (path.relative(repository, file).startsWith('..')) continue
    await rm(file, { force: true })
  }
  const objects = path.join(repository, 'objects')
  for (const name of await readdir(objects).catch(() => []))
    if (name.startsWith('tmp_objdir-') || name.startsWith('incoming-'))
      await rm(path.join(objects, name), { recursive: true, force: true })
}
