import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  commit,
  type GitHost,
  newClone,
  runGit,
  startGitHost,
} from '../../test/support/git-host.ts'
import { accessLevels, type Project, type User } from '../accounts/index.ts'
import { parseUrl } from './access.ts'

describe('who may', () => {
  let host: GitHost
  let project: Project
  let clone: string
  let reader: User

  beforeAll(async () => {
    host = await startGitHost()
    clone = await newClone(host, 'secret')
    await commit(clone, { a: '1\n' })
    await runGit(clone, ['push', '-q', host.url('root/secret'), 'main'])
    project = (await host.accounts.project('root/secret'))!
    const user = (username: string) => ({
      username,
      name: username,
      email: `${username}@example.com`,
      password: 'password',
    })
    reader = await host.accounts.createUser(user('reader'))
    await host.accounts.createUser(user('stranger'))
    await host.accounts.setMember(project.id, reader.id, accessLevels.reporter)
  })
  afterAll(() => host.close())

  const base = (name: string) => host.url(name, 'x').replace('x@', '')
  const headers = (user: string) => ({
    authorization: `Basic ${Buffer.from(user).toString('base64')}`,
  })

  it('nobody learns whether a project is there', async () => {
    for (const user of [undefined, 'stranger:password', 'root:wrong', 'nobody:password']) {
      const answers = await Promise.all(
        ['root/secret', 'root/absent', 'absent/absent'].map(async name => {
          const response = await fetch(`${base(name)}/info/refs?service=git-upload-pack`, {
            headers: user === undefined ? {} : headers(user),
          })
          const { status } = response
          return {
            status,
            challenge: response.headers.get('www-authenticate'),
            text: await response.text(),
          }
        }),
      )
      expect(answers[1]).toEqual(answers[0])
      expect(answers[2]).toEqual(answers[0])
      const isKnown = user === 'stranger:password'
      expect(answers[0]?.status).toBe(isKnown ? 404 : 401)
      if (!isKnown) expect(answers[0]?.challenge).toMatch(/^Basic realm="Slipway"/)
    }
  })

  it('a wrong password ends the client with what to do', async () => {
    const refused = await runGit(clone, ['ls-remote', host.url('root/secret', 'root:wrong')])
    expect(refused.exitCode).not.toBe(0)
    expect(refused.stderr).toMatch(/remote: Wrong name, password or token/)
    expect(refused.stderr).toMatch(/Authentication failed/)
  })

  it('a reader reads and is told why a push is refused', async () => {
    const url = host.url('root/secret', 'reader:password')
    expect((await runGit(clone, ['ls-remote', url])).exitCode).toBe(0)
    await commit(clone, { b: '2\n' })
    const refused = await runGit(clone, ['push', url, 'main'])
    expect(refused.exitCode).not.toBe(0)
    expect(refused.stderr).toMatch(/remote: You may read root\/secret, but not push to it/)
    expect(refused.stderr).toMatch(/403/)
  })

  it('a token opens what its scopes say', async () => {
    const token = async (scopes: ('read_repository' | 'write_repository')[]) =>
      (await host.accounts.createToken({ userId: host.root.id, name: 't', scopes })).token
    const read = host.url('root/secret', `oauth2:${await token(['read_repository'])}`)
    const both = host.url('root/secret', `root:${await token(['write_repository'])}`)
    expect((await runGit(clone, ['ls-remote', read])).exitCode).toBe(0)
    await commit(clone, { c: '3\n' })
    expect((await runGit(clone, ['push', read, 'main'])).exitCode).not.toBe(0)
    expect((await runGit(clone, ['push', '-q', both, 'main'])).exitCode).toBe(0)
  })

  it('a job reads its own project, and nothing else', async () => {
    const other = await newClone(host, 'other')
    await commit(other, { a: '1\n' })
    await runGit(other, ['push', '-q', host.url('root/other'), 'main'])
    const token = await host.accounts.issueJobToken({
      jobId: 7,
      projectId: project.id,
      userId: host.root.id,
    })
    const user = `gitlab-ci-token:${token}`
    expect((await runGit(clone, ['ls-remote', host.url('root/secret', user)])).exitCode).toBe(0)
    for (const args of [
      ['ls-remote', host.url('root/other', user)],
      ['push', host.url('root/secret', user), 'main:job'],
      ['push', host.url('root/by-job', user), 'main'],
    ])
      expect((await runGit(clone, args)).exitCode).not.toBe(0)
    await host.accounts.revokeJobToken(7)
    expect((await runGit(clone, ['ls-remote', host.url('root/secret', user)])).exitCode).not.toBe(0)
    expect(await host.accounts.project('root/by-job')).toBeUndefined()
  })

  it('everybody reads a public project, and nobody pushes to it without a name', async () => {
    await host.accounts.updateProject(project.id, { visibility: 'public' })
    expect((await runGit(clone, ['ls-remote', base('root/secret')])).exitCode).toBe(0)
    const pushed = await runGit(clone, ['push', base('root/secret'), 'main:anonymous'])
    expect(pushed.stderr).toMatch(/could not read Username/)
    await host.accounts.updateProject(project.id, { visibility: 'private' })
  })

  it('only one spelling of a path finds a project (S-03)', async () => {
    const root = base('root/secret').replace('/root/secret.git', '')
    const paths = [
      'root/../root/secret.git',
      '%72oot/secret.git',
      'root/secret%2egit',
      'root%2fsecret.git',
      'root/secret.git%00',
      'root/./secret.git',
      'root//secret.git',
      'root/secret.git.git',
      'root/secret.git/../secret.git',
      '..%2f..%2fetc.git',
    ]
    const { request } = await import('node:http')
    for (const path of paths) {
      const status = await new Promise<number | undefined>((resolve, reject) => {
        const url = new URL(root)
        request({
          host: url.hostname,
          port: url.port,
          path: `/${path}/info/refs?service=git-upload-pack`,
          headers: headers('root:password'),
        })
          .on('response', response => resolve(response.resume().statusCode))
          .on('error', reject)
          .end()
      })
      expect([path, status]).toEqual([path, 404])
    }
  })

  it('every URL that is not git’s is left to others', () => {
    for (const url of [
      '/',
      '/root/secret',
      '/root/secret/-/pipelines',
      '/api/v4/projects',
      '/root/secret/info/refs',
      '/git-upload-pack',
    ])
      expect(parseUrl(url)).toBeUndefined()
    expect(parseUrl('/root/secret.git/info/refs')).toBe('dumb')
    expect(parseUrl('/a/b/c.git/git-receive-pack')).toEqual({
      projectPath: 'a/b/c',
      kind: 'serve',
      service: 'git-receive-pack',
    })
    expect(parseUrl('/a/b/info/refs?service=git-upload-pack')).toMatchObject({ projectPath: 'a/b' })
  })

  it('a request that is not as git sends it gets an error, never a program', async () => {
    const url = `${base('root/secret')}/git-upload-pack`
    const ask = (init: RequestInit) =>
      fetch(url, { ...init, headers: { ...headers('root:password'), ...init.headers } })
    expect((await ask({ method: 'GET' })).status).toBe(405)
    expect((await ask({ method: 'POST', body: '0000' })).status).toBe(415)
    const push = await fetch(`${base('root/secret')}/git-receive-pack`, {
      method: 'POST',
      body: 'zzzz not a packet',
      headers: {
        ...headers('root:password'),
        'content-type': 'application/x-git-receive-pack-request',
      },
    })
    expect(push.status).toBe(400)
    const encoded = await ask({
      method: 'POST',
      body: '0000',
      headers: {
        'content-type': 'application/x-git-upload-pack-request',
        'content-encoding': 'br',
      },
    })
    expect(encoded.status).toBe(400)
  })
})
