import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  type Accounts,
  createAccounts,
  type PasswordHashing,
  type User,
} from '../../src/accounts/index.ts'
import { createGit, type Git, type GitOptions, type Push } from '../../src/git/index.ts'
import { silentLogger, systemClock, systemRandom } from '../../src/lib/index.ts'
import { openStore, type Store } from '../../src/store/index.ts'
import { type Ran, run } from './programs.ts'

/** Passwords as they are: the real hashing takes 40 ms of a core each time, and has its own tests. */
const noHashing: PasswordHashing = {
  hash: async password => password,
  verify: async (hash, password) => hash === password,
}

export interface GitHost {
  git: Git
  accounts: Accounts
  store: Store
  root: User
  /** What `onPush` was told. */
  pushes: Push[]
  /** Lines that the next pushes are answered with; or what `onPush` does. */
  answer: (push: Push) => Promise<string[]>
  directory: string
  url(project: string, user?: string): string
  close(): Promise<void>
}

/** git hosting on a free port of loopback with the real accounts and store, and no more. The password of every user is `password`. */
export async function startGitHost(options: Partial<GitOptions> = {}): Promise<GitHost> {
  const directory = mkdtempSync(path.join(tmpdir(), 'slipway-git-'))
  const store = await openStore(':memory:')
  const accounts = createAccounts({
    store: store.accounts,
    clock: systemClock,
    random: systemRandom,
    hashing: noHashing,
  })
  await accounts.bootstrap({ password: 'password', email: 'root@example.com' })
  const pushes: Push[] = []
  const git = createGit({
    directory: path.join(directory, 'repositories'),
    accounts,
    store: store.git,
    clock: systemClock,
    onPush: async push => {
      pushes.push(push)
      return host.answer(push)
    },
    log: silentLogger,
    ...options,
  })
  const server = createServer(async (request, response) => {
    if (!(await git.handle(request, response))) response.writeHead(404).end('not git\n')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const host: GitHost = {
    git,
    accounts,
    store,
    root: (await accounts.user('root'))!,
    pushes,
    answer: async () => [],
    directory,
    url: (project, user = 'root:password') => `http://${user}@127.0.0.1:${port}/${project}.git`,
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
      await git.close()
      await store.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
  return host
}

/** The stock client, without anything of this machine's or user's settings. */
export function runGit(
  cwd: string,
  args: string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  return run('git', args, { cwd, env: { ...clientEnv, HOME: cwd, ...env } })
}

const clientEnv = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.com',
  LC_ALL: 'C',
}

/** Writes the files, commits them all, and returns the commit's SHA. */
export async function commit(
  directory: string,
  files: Readonly<Record<string, string>>,
  message = 'change',
): Promise<string> {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(directory, name)), { recursive: true })
    writeFileSync(path.join(directory, name), text)
  }
  await runGit(directory, ['add', '-A'])
  await runGit(directory, ['commit', '-q', '--allow-empty', '-m', message])
  return (await runGit(directory, ['rev-parse', 'HEAD'])).stdout.trim()
}

/** A new repository with a branch below a host's directory. */
export async function newClone(host: GitHost, name: string, branch = 'main'): Promise<string> {
  const directory = path.join(host.directory, 'clones', name)
  mkdirSync(directory, { recursive: true })
  await runGit(directory, ['init', '-q', '-b', branch])
  return directory
}
