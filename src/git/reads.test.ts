import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  commit,
  type GitHost,
  newClone,
  runGit,
  startGitHost,
} from '../../test/support/git-host.ts'
import type { Project } from '../accounts/index.ts'

const zeros = '0'.repeat(40)

describe('reading a repository', () => {
  let host: GitHost
  let clone: string
  let project: Project
  let first: string
  let second: string

  beforeAll(async () => {
    host = await startGitHost()
    clone = await newClone(host, 'reads')
    await runGit(clone, ['remote', 'add', 'origin', host.url('root/reads')])
    first = await commit(
      clone,
      { 'README.md': 'hello\n', 'src/a b.txt': 'a\n' },
      'first\n\nwith a body\n',
    )
    await runGit(clone, ['tag', '-a', 'v1', '-m', 'one'])
    second = await commit(clone, { 'src/deep/ä.txt': 'ä\n' }, 'second')
    await runGit(clone, ['branch', 'feature/x', first])
    await runGit(clone, ['tag', 'main', first])
    await runGit(clone, ['push', '-q', 'origin', '--all'])
    await runGit(clone, ['push', '-q', 'origin', '--tags'])
    project = (await host.accounts.project('root/reads'))!
  })
  afterAll(() => host.close())

  it('resolves names, a branch before a tag', async () => {
    const cases: [string, string | undefined][] = [
      ['main', second],
      ['refs/tags/main', first],
      ['v1', first],
      ['feature/x', first],
      ['HEAD', second],
      ['HEAD~1', first],
      ['main^', first],
      [second, second],
      [second.slice(0, 8), second],
      [`${second}~1`, first],
      ['nowhere', undefined],
      [zeros, undefined],
      ['--help', undefined],
      ['main:README.md', undefined],
      ['main\nHEAD', undefined],
      ['@{-1}', undefined],
      [':/first', undefined],
    ]
    for (const [revision, sha] of cases)
      expect([revision, await host.git.resolve(project.id, revision)]).toEqual([revision, sha])
    expect(await host.git.resolve(999, 'main')).toBeUndefined()
  })

  it('tells commits, logs, branches and tags', async () => {
    const one = await host.git.commit(project.id, 'v1')
    expect(one).toMatchObject({
      sha: first,
      parents: [],
      title: 'first',
      message: 'first\n\nwith a body\n',
      authorName: 'Ada',
      authorEmail: 'ada@example.com',
      committerName: 'Ada',
    })
    expect(Math.abs((one?.committedAt ?? 0) - Date.now())).toBeLessThan(600_000)
    const log = (options: { limit: number; skip?: number; path?: string }) =>
      host.git.log(project.id, 'main', options).then(list => list.map(entry => entry.sha))
    expect(await log({ limit: 10 })).toEqual([second, first])
    expect(await log({ limit: 1, skip: 1 })).toEqual([first])
    expect(await log({ limit: 10, path: 'README.md' })).toEqual([first])
    expect(await log({ limit: 10, path: '../x' })).toEqual([])
    const names = (list: { name: string; commit: { sha: string } }[]) =>
      list.map(entry => [entry.name, entry.commit.sha])
    expect(names(await host.git.branches(project.id))).toEqual([
      ['feature/x', first],
      ['main', second],
    ])
    expect(names(await host.git.tags(project.id))).toEqual([
      ['main', first],
      ['v1', first],
    ])
    expect(await host.git.branches(999)).toEqual([])
  })

  it('reads files and folders', async () => {
    const read = async (file: string, maxBytes?: number) => {
      const bytes = await host.git.readFile(project.id, 'main', file, maxBytes)
      return bytes && Buffer.from(bytes).toString()
    }
    expect(await read('README.md')).toBe('hello\n')
    expect(await read('./src//a b.txt')).toBe('a\n')
    expect(await read('src/deep/ä.txt')).toBe('ä\n')
    for (const none of ['', 'src', 'none', '../README.md', '/..', 'a\nb', 'README.md\nHEAD'])
      expect(await read(none)).toBeUndefined()
    await expect(read('README.md', 5)).rejects.toMatchObject({ code: 'too_large' })
    expect(await read('README.md', 6)).toBe('hello\n')
    const root = await host.git.tree(project.id, 'main', '')
    expect(root?.map(one => [one.path, one.mode, one.type])).toEqual([
      ['README.md', '100644', 'blob'],
      ['src', '040000', 'tree'],
    ])
    const all = await host.git.tree(project.id, 'main', 'src', true)
    expect(all?.map(one => [one.name, one.path, one.type])).toEqual([
      ['a b.txt', 'src/a b.txt', 'blob'],
      ['deep', 'src/deep', 'tree'],
      ['ä.txt', 'src/deep/ä.txt', 'blob'],
    ])
    expect(await host.git.tree(project.id, 'main', 'README.md')).toBeUndefined()
    expect(await host.git.tree(project.id, 'main', '../..')).toBeUndefined()
  })

  it('tells which paths differ', async () => {
    const paths = (before: string, after: string) =>
      host.git.changedPaths(project.id, before, after).then(list => list.sort())
    expect(await paths(first, second)).toEqual(['src/deep/ä.txt'])
    expect(await paths(zeros, first)).toEqual(['README.md', 'src/a b.txt'])
    await expect(paths('1'.repeat(40), second)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('answers many at once, in any mix, from one process', async () => {
    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, n) =>
        n % 3 === 0
          ? host.git.readFile(project.id, 'main', 'README.md').then(bytes => bytes?.length)
          : n % 3 === 1
            ? host.git.readFile(project.id, 'main', 'none').then(bytes => bytes?.length)
            : host.git.readFile(project.id, 'main', 'README.md', 1).catch(error => error.code),
      ),
    )
    for (const [n, answer] of answers.entries())
      expect(answer).toBe([6, undefined, 'too_large'][n % 3])
  })

  it('makes and deletes branches as a push would', async () => {
    host.pushes.length = 0
    const { git, root } = host
    const made = await git.createBranch(project, root, 'testing', 'v1')
    expect(made).toMatchObject({ name: 'testing', commit: { sha: first } })
    const failures: [() => Promise<unknown>, string][] = [
      [() => git.createBranch(project, root, 'testing', 'main'), 'conflict'],
      [() => git.createBranch(project, root, 'testing/below', 'main'), 'conflict'],
      [() => git.createBranch(project, root, '-x', 'main'), 'invalid'],
      [() => git.createBranch(project, root, 'x\ny', 'main'), 'invalid'],
      [() => git.createBranch(project, root, 'y', 'nowhere'), 'not_found'],
      [() => git.deleteBranch(project, root, 'nowhere'), 'not_found'],
      [() => git.deleteBranch(project, root, 'main'), 'invalid'],
    ]
    for (const [attempt, code] of failures) await expect(attempt()).rejects.toMatchObject({ code })
    await git.deleteBranch(project, root, 'testing')
    expect(host.pushes.map(push => push.updates)).toEqual([
      [{ ref: 'refs/heads/testing', before: zeros, after: first }],
      [{ ref: 'refs/heads/testing', before: first, after: zeros }],
    ])
    expect(await host.store.git.intents()).toEqual([])
  })

  it('keeps a commit fetchable by its own ref, where nobody can push', async () => {
    const lost = await commit(clone, { lost: '1\n' })
    await runGit(clone, ['push', '-q', 'origin', 'HEAD:refs/heads/moving'])
    await host.git.keepRef(project.id, 'refs/pipelines/7', lost)
    await runGit(clone, ['push', '-q', 'origin', '--delete', 'moving'])
    const job = await newClone(host, 'job')
    const refspec = '+refs/pipelines/7:refs/pipelines/7'
    const fetched = await runGit(job, ['fetch', '-q', '--depth=1', host.url('root/reads'), refspec])
    expect(fetched).toMatchObject({ exitCode: 0 })
    expect((await runGit(job, ['rev-parse', 'refs/pipelines/7'])).stdout.trim()).toBe(lost)
    const pushed = await runGit(clone, ['push', 'origin', 'HEAD:refs/pipelines/8'])
    expect(pushed.exitCode).not.toBe(0)
    await host.git.dropRef(project.id, 'refs/pipelines/7')
    await host.git.dropRef(project.id, 'refs/pipelines/7')
    const gone = await runGit(job, ['fetch', '-q', host.url('root/reads'), refspec])
    expect(gone.exitCode).not.toBe(0)
    await expect(host.git.keepRef(project.id, 'refs/heads/x', lost)).rejects.toThrow(
      /refs\/pipelines/,
    )
  })

  it('forgets a repository, and makes it anew', async () => {
    const other = await newClone(host, 'forget')
    await commit(other, { a: '1\n' })
    await runGit(other, ['push', '-q', host.url('root/forget'), 'main'])
    const { id } = (await host.accounts.project('root/forget'))!
    expect(await host.git.resolve(id, 'main')).toBeDefined()
    await host.git.deleteRepository(id)
    await host.git.deleteRepository(id)
    expect(await host.git.resolve(id, 'main')).toBeUndefined()
    await host.git.ensureRepository(id)
    await host.git.ensureRepository(id)
    expect((await runGit(other, ['push', '-q', host.url('root/forget'), 'main'])).exitCode).toBe(0)
    expect(await host.git.resolve(id, 'main')).toBeDefined()
  })
})
