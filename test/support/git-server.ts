/**
 * git hosting as a process of its own, to be killed: `node git-server.ts DIRECTORY [hang]`. Recovers, listens on a free port, and prints one JSON line an event:
 * `{ "push": … }` for each `onPush` (which never ends when told to hang), `{ "port": … }` once it listens.
 */
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { createAccounts } from '../../src/accounts/index.ts'
import { createGit } from '../../src/git/index.ts'
import { silentLogger, systemClock, systemRandom } from '../../src/lib/index.ts'
import { openStore } from '../../src/store/index.ts'

const [directory = '', mode] = process.argv.slice(2)
const tell = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`)

mkdirSync(directory, { recursive: true })
const store = await openStore(path.join(directory, 'slipway.db'))
const accounts = createAccounts({
  store: store.accounts,
  clock: systemClock,
  random: systemRandom,
  hashing: { hash: async one => one, verify: async (hash, one) => hash === one },
})
await accounts.bootstrap({ password: 'password', email: 'root@example.com' })
const git = createGit({
  directory: path.join(directory, 'repositories'),
  accounts,
  store: store.git,
  clock: systemClock,
  async onPush({ project, updates, options, created }) {
    tell({ push: { project: project.fullPath, updates, options, created } })
    if (mode === 'hang') await new Promise(() => {})
    return []
  },
  log: silentLogger,
})
await git.recover()
tell({ intents: (await store.git.intents()).length })
const server = createServer((request, response) => {
  git.handle(request, response).catch(error => {
    throw error
  })
})
server.listen(0, '127.0.0.1', () => tell({ port: (server.address() as AddressInfo).port }))
