import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  commit,
  type GitHost,
  newClone,
  runGit,
  startGitHost,
} from '../../test/support/git-host.ts'
import { run } from '../../test/support/programs.ts'

const zeros = '0'.repeat(40)

/** git hosting as the stock client sees it. */
describe('smart HTTP', () => {
  let host: GitHost
  let made = 0

  beforeAll(async () => {
    host = await startGitHost()
  })
  afterAll(() => host.close())
  beforeEach(() => {
    host.pushes.length = 0
    host.answer = async () => []
  })

  /** A clone with one commit, pushed as a new project. */
  async function project(branch = 'main') {
    const name = `root/p${++made}`
    const clone = await newClone(host, name, branch)
    const sha = await commit(clone, { 'README.md': `${name}\n` }, 'first')
    await runGit(clone, ['remote', 'add', 'origin', host.url(name)])
    const pushed = await runGit(clone, ['push', '-q', 'origin', branch])
    expect(pushed).toMatchObject({ exitCode: 0 })
    return { name, clone, sha }
  }

  it('makes a project on the first push, and tells it with its lines', async () => {
    host.answer = async () => ['Pipeline #1: http://here/-/pipelines/1', '', 'a\u001b[31mb']
    const clone = await newClone(host, 'first', 'master')
    const sha = await commit(clone, { a: '1\n' })
    const pushed = await runGit(clone, ['push', host.url('root/first'), 'master'])
    expect(pushed.exitCode).toBe(0)
    expect(pushed.stderr).toContain('remote: Pipeline #1: http://here/-/pipelines/1')
    expect(pushed.stderr).toContain('a?[31mb')
    expect(pushed.stderr).toContain('[new branch]')
    const found = await host.accounts.project('root/first')
    expect(found).toMatchObject({ visibility: 'private', defaultBranch: 'master' })
    expect(host.pushes).toEqual([
      {
        project: found,
        user: host.root,
        updates: [{ ref: 'refs/heads/master', before: zeros, after: sha }],
        options: [],
        created: true,
      },
    ])
    expect(await host.store.git.intents()).toEqual([])
  })

  it('makes the groups on the way, and nothing for a dry run', async () => {
    const clone = await newClone(host, 'groups')
    await commit(clone, { a: '1\n' })
    const url = host.url('company/team/app')
    expect((await runGit(clone, ['push', '--dry-run', url, 'main'])).exitCode).toBe(0)
    expect(await host.accounts.project('company/team/app')).toBeUndefined()
    expect((await runGit(clone, ['push', url, 'main'])).exitCode).toBe(0)
    expect((await host.accounts.project('company/team/app'))?.defaultBranch).toBe('main')
  })

  it('says why a project cannot be made', async () => {
    const clone = await newClone(host, 'reserved')
    await commit(clone, { a: '1\n' })
    const pushed = await runGit(clone, ['push', host.url('api/app'), 'main'])
    expect(pushed.exitCode).not.toBe(0)
    expect(pushed.stderr).toMatch(/remote:.*reserved/)
  })

  it('clones and fetches, whole and shallow, in protocol 2 and 0', async () => {
    const { name, clone, sha } = await project()
    const second = await commit(clone, { 'src/b.txt': 'b\n' }, 'second')
    await runGit(clone, ['push', '-q', 'origin', 'main'])
    for (const version of ['0', '1', '2']) {
      const target = await newClone(host, `${name}-clone-${version}`)
      const settings = ['-c', `protocol.version=${version}`]
      const cloned = await runGit(target, [...settings, 'clone', '-q', host.url(name), 'full'])
      expect(cloned).toMatchObject({ exitCode: 0, stderr: '' })
      const log = await runGit(`${target}/full`, ['log', '--format=%H'])
      expect(log.stdout.trim().split('\n')).toEqual([second, sha])
      await runGit(target, [...settings, 'clone', '-q', '--depth=1', host.url(name), 'shallow'])
      const one = await runGit(`${target}/shallow`, ['log', '--format=%H'])
      expect(one.stdout.trim().split('\n')).toEqual([second])
      await runGit(`${target}/shallow`, [...settings, 'fetch', '-q', '--unshallow'])
      const all = await runGit(`${target}/shallow`, ['rev-list', '--count', 'HEAD'])
      expect(all.stdout.trim()).toBe('2')
    }
    const partial = await newClone(host, `${name}-partial`)
    const filtered = await runGit(partial, [
      'clone',
      '-q',
      '--filter=blob:none',
      host.url(name),
      'x',
    ])
    expect(filtered).toMatchObject({ exitCode: 0, stderr: '' })
  })

  it('clones an empty project on its default branch', async () => {
    const namespace = await host.accounts.ensureNamespace('root', host.root)
    await host.accounts.createProject({
      namespace,
      path: 'empty',
      defaultBranch: 'trunk',
      creator: host.root,
    })
    const target = await newClone(host, 'empty-clone')
    const cloned = await runGit(target, ['clone', '-q', host.url('root/empty'), 'x'])
    expect(cloned.exitCode).toBe(0)
    const head = await runGit(`${target}/x`, ['symbolic-ref', 'HEAD'])
    expect(head.stdout.trim()).toBe('refs/heads/trunk')
  })

  it('tells a push of what was really changed: moves, forced moves, tags, deletions', async () => {
    const { clone, sha } = await project()
    const second = await commit(clone, { b: '2\n' })
    await runGit(clone, ['tag', 'v1'])
    await runGit(clone, ['tag', '-a', 'v2', '-m', 'two'])
    await runGit(clone, ['branch', 'side'])
    const tag = (await runGit(clone, ['rev-parse', 'v2'])).stdout.trim()
    host.pushes.length = 0
    expect((await runGit(clone, ['push', '-q', 'origin', '--all'])).exitCode).toBe(0)
    expect((await runGit(clone, ['push', '-q', 'origin', '--tags'])).exitCode).toBe(0)
    await runGit(clone, ['commit', '-q', '--amend', '-m', 'amended'])
    const third = (await runGit(clone, ['rev-parse', 'HEAD'])).stdout.trim()
    expect((await runGit(clone, ['push', 'origin', 'main'])).exitCode).not.toBe(0)
    expect((await runGit(clone, ['push', '-q', '-f', 'origin', 'main'])).exitCode).toBe(0)
    const deleted = await runGit(clone, ['push', '-q', 'origin', '--delete', 'side', 'v1'])
    expect(deleted.exitCode).toBe(0)
    const told = host.pushes.map(push =>
      [...push.updates].sort((a, b) => a.ref.localeCompare(b.ref)),
    )
    expect(told).toEqual([
      [
        { ref: 'refs/heads/main', before: sha, after: second },
        { ref: 'refs/heads/side', before: zeros, after: second },
      ],
      [
        { ref: 'refs/tags/v1', before: zeros, after: second },
        { ref: 'refs/tags/v2', before: zeros, after: tag },
      ],
      [{ ref: 'refs/heads/main', before: second, after: third }],
      [
        { ref: 'refs/heads/side', before: second, after: zeros },
        { ref: 'refs/tags/v1', before: second, after: zeros },
      ],
    ])
    expect(host.pushes.every(push => !push.created)).toBe(true)
  })

  it('passes push options on', async () => {
    const { clone } = await project()
    await commit(clone, { b: '2\n' })
    host.pushes.length = 0
    await runGit(clone, [
      'push',
      '-q',
      '-o',
      'ci.skip',
      '-o',
      'ci.variable=A=b c',
      'origin',
      'main',
    ])
    expect(host.pushes[0]?.options).toEqual(['ci.skip', 'ci.variable=A=b c'])
  })

  it('prefers main, then master, among the first branches', async () => {
    const clone = await newClone(host, 'prefers', 'zebra')
    await commit(clone, { a: '1\n' })
    await runGit(clone, ['branch', 'alpha'])
    await runGit(clone, ['branch', 'master'])
    await runGit(clone, ['push', '-q', host.url('root/prefers'), '--all'])
    expect((await host.accounts.project('root/prefers'))?.defaultBranch).toBe('master')
    const refs = await runGit(clone, ['ls-remote', '--symref', host.url('root/prefers'), 'HEAD'])
    expect(refs.stdout).toContain('ref: refs/heads/master\tHEAD')
  })

  it('follows when the default branch is changed', async () => {
    const { name, clone } = await project()
    await runGit(clone, ['push', '-q', 'origin', 'main:next'])
    const found = await host.accounts.project(name)
    await host.accounts.updateProject(found!.id, { defaultBranch: 'next' })
    const refs = await runGit(clone, ['ls-remote', '--symref', 'origin', 'HEAD'])
    expect(refs.stdout).toContain('ref: refs/heads/next\tHEAD')
    const deleted = await runGit(clone, ['push', 'origin', '--delete', 'next'])
    expect(deleted.exitCode).not.toBe(0)
  })

  it('keeps a push that its follow-up fails for, and says so', async () => {
    const { clone, name } = await project()
    const sha = await commit(clone, { b: '2\n' })
    host.answer = async () => {
      throw new Error('broken')
    }
    const pushed = await runGit(clone, ['push', 'origin', 'main'])
    expect(pushed.exitCode).toBe(0)
    expect(pushed.stderr).toMatch(/remote: An internal error/)
    const found = await host.accounts.project(name)
    expect(await host.git.resolve(found!.id, 'main')).toBe(sha)
    expect(await host.store.git.intents()).toEqual([])
  })

  it('keeps nothing of a push whose client goes away in the middle', async () => {
    const { name, clone, sha } = await project()
    await run('sh', ['-c', 'head -c 20000000 /dev/urandom > big.bin'], { cwd: clone })
    await commit(clone, {}, 'big')
    host.pushes.length = 0
    const { id } = (await host.accounts.project(name))!
    const objects = path.join(host.directory, `repositories/${id}.git/objects`)
    const incoming = () => readdirSync(objects).filter(one => one.startsWith('tmp_objdir-'))
    const client = spawn('git', ['push', '-q', 'origin', 'main'], {
      cwd: clone,
      detached: true,
      stdio: 'ignore',
    })
    const gone = once(client, 'exit')
    while (incoming().length === 0) await new Promise(resolve => setTimeout(resolve, 2))
    process.kill(-client.pid!, 'SIGKILL')
    await gone
    while (incoming().length > 0 || (await host.store.git.intents()).length > 0)
      await new Promise(resolve => setTimeout(resolve, 5))
    expect(host.pushes).toEqual([])
    expect(await host.git.resolve(id, 'main')).toBe(sha)
    expect((await runGit(clone, ['push', '-q', 'origin', 'main'])).exitCode).toBe(0)
  })

  it('lets one of two pushes win', async () => {
    const { name, clone, sha } = await project()
    const other = await newClone(host, `${name}-other`)
    await runGit(other, ['clone', '-q', host.url(name), 'x'])
    const shas = [await commit(clone, { b: '1\n' }), await commit(`${other}/x`, { c: '2\n' })]
    host.pushes.length = 0
    const both = await Promise.all(
      [clone, `${other}/x`].map(one => runGit(one, ['push', 'origin', 'main'])),
    )
    expect(both.map(one => one.exitCode === 0).sort()).toEqual([false, true])
    const winner = shas[both.findIndex(one => one.exitCode === 0)]!
    expect(host.pushes.map(push => push.updates)).toEqual([
      [{ ref: 'refs/heads/main', before: sha, after: winner }],
    ])
    const loser = both.find(one => one.exitCode !== 0)
    expect(loser?.stderr).toMatch(/rejected/)
  })
})
