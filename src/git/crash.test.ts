import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { commit, runGit } from '../../test/support/git-host.ts'
import { run } from '../../test/support/programs.ts'

const script = path.join(import.meta.dirname, '../../test/support/git-server.ts')
const zeros = '0'.repeat(40)

interface Server {
  child: ChildProcess
  url: string
  /** Everything it told so far. */
  events: Record<string, unknown>[]
  /** Resolves once it tells something with this key. */
  told(key: string): Promise<unknown>
}

/** What survives when the server is killed at the worst moment; and how much memory a big push takes. */
describe('a server that is killed', () => {
  let directory: string
  let clone: string
  const children = new Set<ChildProcess>()

  beforeAll(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'slipway-crash-'))
    clone = path.join(directory, 'clone')
    mkdirSync(clone)
    await runGit(clone, ['init', '-q', '-b', 'main'])
  })
  afterEach(() => {
    for (const child of children) child.kill('SIGKILL')
    children.clear()
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  async function start(mode?: 'hang'): Promise<Server> {
    const data = path.join(directory, 'data')
    const child = spawn(process.execPath, [script, data, ...(mode === undefined ? [] : [mode])], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.add(child)
    const events: Server['events'] = []
    const waiting: (() => void)[] = []
    createInterface({ input: child.stdout! }).on('line', line => {
      events.push(JSON.parse(line))
      for (const wake of waiting.splice(0)) wake()
    })
    const told = async (key: string) => {
      for (;;) {
        const event = events.find(one => key in one)
        if (event !== undefined) return event[key]
        await new Promise<void>(resolve => waiting.push(resolve))
      }
    }
    const url = `http://root:password@127.0.0.1:${await told('port')}/root/crash.git`
    return { child, url, events, told }
  }

  async function kill({ child }: Server): Promise<void> {
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  it('before it acted on a push, acts on it at the next start, once', async () => {
    const first = await start('hang')
    const sha = await commit(clone, { a: '1\n' })
    const push = runGit(clone, ['push', '-o', 'ci.skip', first.url, 'main'])
    const told = await first.told('push')
    await kill(first)
    expect((await push).exitCode).not.toBe(0)
    const second = await start()
    expect(second.events.filter(one => 'push' in one)).toEqual([{ push: told }])
    expect(told).toEqual({
      project: 'root/crash',
      updates: [{ ref: 'refs/heads/main', before: zeros, after: sha }],
      options: ['ci.skip'],
      created: true,
    })
    expect(second.events).toContainEqual({ intents: 0 })
    const refs = await runGit(clone, ['ls-remote', second.url, 'refs/heads/main'])
    expect(refs.stdout).toContain(sha)
    await kill(second)
    const third = await start()
    expect(third.events.filter(one => 'push' in one)).toEqual([])
    await kill(third)
  }, 60_000)

  it('in the middle of a pack keeps what was there, and nothing of the rest', async () => {
    const server = await start()
    const before = (await runGit(clone, ['rev-parse', 'HEAD'])).stdout.trim()
    await run('sh', ['-c', 'head -c 64000000 /dev/urandom > big.bin'], { cwd: clone })
    const sha = await commit(clone, {}, 'big')
    const objects = path.join(directory, 'data/repositories/1.git/objects')
    const incoming = () => readdirSync(objects).filter(name => name.startsWith('tmp_objdir-'))
    const push = runGit(clone, ['push', server.url, 'main'])
    while (incoming().length === 0) await new Promise(resolve => setTimeout(resolve, 2))
    await kill(server)
    expect((await push).exitCode).not.toBe(0)
    const again = await start()
    expect(again.events.filter(one => 'push' in one)).toEqual([])
    expect(again.events).toContainEqual({ intents: 0 })
    expect(incoming()).toEqual([])
    const refs = await runGit(clone, ['ls-remote', again.url, 'refs/heads/main'])
    expect(refs.stdout).toContain(before)

    const peak = () => memoryKiB(again.child.pid!, 'VmHWM')
    const idle = peak()
    expect(await runGit(clone, ['push', '-q', again.url, 'main'])).toMatchObject({ exitCode: 0 })
    expect(await again.told('push')).toMatchObject({
      updates: [{ ref: 'refs/heads/main', before, after: sha }],
    })
    const target = path.join(directory, 'target')
    mkdirSync(target)
    expect((await runGit(target, ['clone', '-q', again.url, 'x'])).exitCode).toBe(0)
    expect(existsSync(path.join(target, 'x/big.bin'))).toBe(true)
    // 64 MB went in and came out
    expect(peak() - idle).toBeLessThan(60 * 1024)
    await kill(again)
  }, 120_000)
})

function memoryKiB(pid: number, name: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1])
}
