import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  commit,
  type GitHost,
  newClone,
  runGit,
  startGitHost,
} from '../../test/support/git-host.ts'
import { run } from '../../test/support/programs.ts'
import { band, flush, PacketReader, packet } from './pkt-line.ts'
import { refProblem } from './ref-name.ts'

const zeros = '0'.repeat(40)

/** Pushes that want to do harm (negative tests S-01, S-04, S-05, S-06). */
describe('a hostile push', () => {
  let host: GitHost
  let clone: string
  let sha: string

  beforeAll(async () => {
    host = await startGitHost({ maxPackBytes: 3 * 1024 * 1024 })
    clone = await newClone(host, 'hostile')
    sha = await commit(clone, { a: '1\n' })
    await runGit(clone, ['push', '-q', host.url('root/hostile'), 'main'])
  })
  afterAll(() => host.close())

  /** A push as no git client would send it: one command, no pack. Returns what the answer says. */
  async function command(ref: string, before = zeros): Promise<string> {
    const line = `${before} ${sha} ${ref}\0 report-status side-band-64k`
    const response = await fetch(
      `${host.url('root/hostile', 'x').replace('x@', '')}/git-receive-pack`,
      {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from('root:password').toString('base64')}`,
          'content-type': 'application/x-git-receive-pack-request',
        },
        body: Buffer.concat([packet(line), flush]),
      },
    )
    expect(response.status).toBe(200)
    return Buffer.from(await response.arrayBuffer()).toString('utf8')
  }

  async function refs(): Promise<string> {
    return (await runGit(clone, ['ls-remote', host.url('root/hostile')])).stdout
  }

  it('with a bad ref name is refused whole (S-01)', async () => {
    const before = await refs()
    host.pushes.length = 0
    const names = [
      'refs/heads/--exec=touch x',
      'refs/heads/-oProxyCommand',
      '--upload-pack=x',
      'refs/heads/a..b',
      'refs/heads/a@{1}',
      'refs/heads/a\u0007b',
      'refs/heads/a b',
      'refs/heads/x.lock',
      'refs/heads/../../config',
      'refs/heads/.hidden',
      'refs/heads/a//b',
      `refs/heads/${'x'.repeat(256)}`,
      `refs/heads/${'a'.repeat(40)}`,
      'HEAD',
      'refs/pipelines/1',
    ]
    for (const name of names) expect(await command(name)).toContain(`ng ${name} `)
    expect(await refs()).toBe(before)
    expect(host.pushes).toEqual([])
    expect(await host.store.git.intents()).toEqual([])
  })

  it('knows good names from bad', () => {
    for (const good of [
      'refs/heads/main',
      'refs/heads/feature/ä-1',
      'refs/tags/v1.2.3',
      'refs/notes/commits',
    ])
      expect(refProblem(good)).toBeUndefined()
    for (const bad of [
      'main',
      'refs/heads',
      'refs/heads/',
      'refs/heads/a\\b',
      'refs/heads/a^',
      'refs/heads/@',
    ])
      expect(refProblem(bad)).toBeDefined()
  })

  it('with trees that attack a checkout is refused (S-04)', async () => {
    const attacks: [string, string][] = [
      ['100644', '.git'],
      ['100644', '.GIT'],
      ['100644', 'git~1'],
      ['100644', '.g\u200cit'],
      ['100644', '..'],
    ]
    for (const [mode, name] of attacks) {
      const blob = (
        await run('git', ['hash-object', '-w', '--stdin'], { cwd: clone, input: 'x' })
      ).stdout.trim()
      const tree = await rawTree(mode, name, blob)
      const made = await runGit(clone, ['commit-tree', tree, '-m', 'attack'])
      const pushed = await runGit(clone, [
        'push',
        host.url('root/hostile'),
        `${made.stdout.trim()}:refs/heads/attack`,
      ])
      expect([name, pushed.exitCode]).not.toEqual([name, 0])
      expect(pushed.stderr).toMatch(/fsck error|hasDot|fullPathname/)
    }
    await runGit(clone, ['checkout', '-q', '-b', 'modules'])
    await commit(clone, {
      '.gitmodules':
        '[submodule "../../x"]\n\tpath = x\n\turl = ./x\n[submodule "y"]\n\tpath = y\n\turl = --upload-pack=touch /tmp/x\n',
    })
    const pushed = await runGit(clone, ['push', host.url('root/hostile'), 'modules'])
    expect(pushed.exitCode).not.toBe(0)
    expect(pushed.stderr).toMatch(/remote: .*gitmodules/)
    expect(await refs()).not.toContain('attack')
  })

  /** A tree with one entry that no git command would write. */
  async function rawTree(mode: string, name: string, blob: string): Promise<string> {
    const bytes = Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(blob, 'hex')])
    return new Promise((resolve, reject) => {
      const child = spawn('git', ['hash-object', '-t', 'tree', '--literally', '-w', '--stdin'], {
        cwd: clone,
      })
      let out = ''
      child.stdout.on('data', text => {
        out += text
      })
      child.on('error', reject)
      child.on('close', () => resolve(out.trim()))
      child.stdin.end(bytes)
    })
  }

  it('runs no hook and reads no setting of the server’s user (S-05)', async () => {
    const id = (await host.accounts.project('root/hostile'))!.id
    const repository = path.join(host.directory, 'repositories', `${id}.git`)
    expect(readdirSync(repository)).not.toContain('hooks')
  })

  it('larger than allowed is refused, and nothing of it stays (S-06)', async () => {
    await runGit(clone, ['checkout', '-q', 'main'])
    const noise = await run('head', ['-c', '6000000', '/dev/urandom'], { cwd: clone })
    await commit(clone, { 'big.bin': noise.stdout })
    const pushed = await runGit(clone, ['push', host.url('root/hostile'), 'main'])
    expect(pushed.exitCode).not.toBe(0)
    expect(pushed.stderr).toMatch(/exceeds maximum allowed size/)
    await runGit(clone, ['reset', '-q', '--hard', sha])
    const id = (await host.accounts.project('root/hostile'))!.id
    const objects = path.join(host.directory, 'repositories', `${id}.git`, 'objects')
    expect(readdirSync(objects).filter(name => name.startsWith('tmp_'))).toEqual([])
    expect(await host.store.git.intents()).toEqual([])
  })
})

describe('packets', () => {
  it('come out whole however they were cut', () => {
    const long = Buffer.alloc(70_000, 'x')
    const bytes = Buffer.concat([packet('one\n'), flush, band(2, long), packet('')])
    for (const size of [11, 1000, bytes.length]) {
      const reader = new PacketReader()
      const out: string[] = []
      for (let at = 0; at < bytes.length; at += size) {
        reader.add(bytes.subarray(at, at + size))
        for (let one = reader.next(); one !== undefined; one = reader.next())
          out.push(one.isFlush ? 'flush' : one.payload.toString('latin1'))
      }
      expect(out.slice(0, 2)).toEqual(['one\n', 'flush'])
      expect(out.at(-1)).toBe('')
      expect(
        out
          .slice(2, -1)
          .map(one => one.slice(1))
          .join(''),
      ).toBe(long.toString())
    }
  })
})
