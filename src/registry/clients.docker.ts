import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '../../test/support/programs.ts'
import { startRegistry, type TestRegistry } from '../../test/support/registry.ts'
import { createFsBlobs } from '../blobs/index.ts'

/** Stock clients, in both directions: the docker CLI with its engine, and skopeo. */
let on: TestRegistry
let directory: string
let image: string
const made: string[] = []
const docker = (args: string[], input?: string) =>
  run('docker', args, { env: { DOCKER_CONFIG: join(directory, 'config') }, input })

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'slipway-clients-'))
  mkdirSync(join(directory, 'config'))
  on = await startRegistry({ blobs: createFsBlobs({ directory: join(directory, 'blobs') }) })
  const namespace = await on.accounts.ensureNamespace('alice', on.users.alice)
  await on.accounts.createProject({ namespace, path: 'tool', creator: on.users.alice })
  writeFileSync(join(directory, 'data'), randomBytes(12_000_000))
  const tar = join(directory, 'layer.tar')
  await run('tar', ['cf', tar, '-C', directory, 'data'])
  image = `127.0.0.1:${on.port}/alice/tool:v1`
  const imported = await docker(['import', tar, image])
  expect(imported.exitCode).toBe(0)
  made.push(image)
})

afterAll(async () => {
  await docker(['rmi', '-f', ...made])
  await on.close()
  rmSync(directory, { recursive: true })
})

const login = (password: string) =>
  docker(['login', '-u', 'alice', '--password-stdin', `127.0.0.1:${on.port}`], password)

test('docker: a wrong password is refused by name; without a login nothing is pushed', async () => {
  const refused = await login('wrong')
  expect(refused.exitCode).not.toBe(0)
  expect(refused.stderr).toContain('unauthorized: wrong user name or password')
  expect((await docker(['push', image])).stderr).toContain('unauthorized: log in to push')
})

test('docker: login, push, push again, mount, refused, pull', async () => {
  expect((await login('password-alice')).stdout).toContain('Login Succeeded')
  const pushed = await docker(['push', image])
  expect(pushed.stdout).toMatch(/v1: digest: sha256:[0-9a-f]{64}/)
  expect((await docker(['push', image])).stdout).toContain('Layer already exists')
  const tag = async (name: string) => {
    const target = `127.0.0.1:${on.port}/${name}`
    await docker(['tag', image, target])
    made.push(target)
    return target
  }
  const mounted = await docker(['push', await tag('heroku/shop/web')])
  expect(mounted.stdout).toContain('Mounted from alice/tool')
  const refused = await docker(['push', await tag('heroku/nope/web')])
  expect(refused.exitCode).not.toBe(0)
  expect(refused.stderr).toContain("denied: the app nope doesn't exist or you may not push")
  expect(refused.stderr).toContain('heroku apps:create nope')

  const id = (await docker(['inspect', '-f', '{{.Id}}', image])).stdout.trim()
  expect((await on.registry.resolve('heroku/shop/web', 'latest'))?.configDigest).toBe(id)
  await docker(['rmi', '-f', ...made])
  expect((await docker(['pull', image])).exitCode).toBe(0)
  expect((await docker(['inspect', '-f', '{{.Id}}', image])).stdout.trim()).toBe(id)
  expect((await docker(['pull', `127.0.0.1:${on.port}/bob/secret`])).stderr).toContain('denied')
})

test('docker: our engine pulls by digest with a short-lived credential', async () => {
  const digest = (await on.registry.resolve('heroku/shop/web', 'latest'))?.digest
  const { username, password } = await on.registry.pullCredential('heroku/shop/web')
  const server = `127.0.0.1:${on.port}`
  expect(
    (await docker(['login', '-u', username, '--password-stdin', server], password)).exitCode,
  ).toBe(0)
  const reference = `${server}/heroku/shop/web@${digest}`
  made.push(reference)
  expect((await docker(['pull', reference])).exitCode).toBe(0)
  const push = await docker(['push', image])
  expect(push.stderr).toMatch(/denied/)
})

test('docker: a full disk is told as such', async context => {
  const small = join(directory, 'small')
  mkdirSync(small)
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', small])
  if (mounted.exitCode !== 0) return context.skip('mounting a small disk needs root')
  const full = await startRegistry({ blobs: createFsBlobs({ directory: small }) })
  try {
    const target = `127.0.0.1:${full.port}/heroku/shop/web`
    await docker(['tag', image, target])
    made.push(target)
    const server = `127.0.0.1:${full.port}`
    await docker(['login', '-u', '_', '--password-stdin', server], 'token-alice')
    const pushed = await docker(['push', target])
    expect(pushed.exitCode).not.toBe(0)
    expect(pushed.stderr).toContain('507 no space left on device')
    expect(readdirSync(join(small, 'uploads'))).toEqual([])
    expect(await full.registry.repositories('')).toEqual([])
  } finally {
    await full.close()
    await run('umount', [small])
  }
})

test('skopeo: copies between repositories and layouts, Docker to OCI and back, and deletes', async () => {
  const at = (name: string) => `docker://127.0.0.1:${on.port}/${name}`
  const layout = `oci:${join(directory, 'layout')}:v1`
  const source = ['--src-tls-verify=false', '--src-creds', 'alice:token-alice']
  const target = ['--dest-tls-verify=false', '--dest-creds', '_:token-alice']
  const copy = async (...args: string[]) => {
    const copied = await run('skopeo', ['copy', ...args])
    expect(copied.stderr).toBe('')
    expect(copied.exitCode).toBe(0)
  }
  await copy(...source, ...target, at('alice/tool:v1'), at('heroku/shop/worker:latest'))
  await copy('--format', 'oci', ...source, at('alice/tool:v1'), layout)
  await copy(...target, layout, at('alice/tool/oci:v1'))
  await copy(
    '--format',
    'v2s2',
    ...source,
    ...target,
    at('alice/tool/oci:v1'),
    at('alice/tool:back'),
  )
  const types = await Promise.all(
    [
      ['alice/tool/oci', 'v1'],
      ['alice/tool', 'back'],
    ].map(async ([name, tag]) => (await on.registry.resolve(name!, tag!))?.mediaType),
  )
  expect(types).toEqual([
    'application/vnd.oci.image.manifest.v1+json',
    'application/vnd.docker.distribution.manifest.v2+json',
  ])
  const tags = await run('skopeo', [
    ...['list-tags', '--tls-verify=false', '--creds', 'alice:token-alice'],
    at('alice/tool'),
  ])
  expect(JSON.parse(tags.stdout).Tags).toEqual(['back', 'v1'])
  const removed = await run('skopeo', [
    ...['delete', '--tls-verify=false', '--creds', 'alice:token-alice'],
    at('alice/tool/oci:v1'),
  ])
  expect(removed.exitCode).toBe(0)
  expect(await on.registry.tags('alice/tool/oci')).toEqual([])
})
