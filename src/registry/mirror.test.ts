import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { sha256Of, startRegistry, type TestRegistry } from '../../test/support/registry.ts'
import { createMemoryBlobs } from '../blobs/index.ts'
import { httpClient } from '../commands/http-client.ts'
import { manualClock, Secret } from '../lib/index.ts'
import type { HttpClient, MirrorUpstream } from './index.ts'

const cleanups: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A registry that mirrors another one; `asked` counts what goes over the wire between them. */
async function pair(config: Partial<MirrorUpstream> = {}) {
  const upstream = await startRegistry()
  const namespace = await upstream.accounts.ensureNamespace('library', upstream.users.root)
  await upstream.accounts.createProject({
    namespace,
    path: 'node',
    visibility: 'public',
    creator: upstream.users.root,
  })
  const asked: { line: string; authorization?: string }[] = []
  const http: HttpClient = request => {
    const { pathname } = new URL(request.url)
    asked.push({
      line: `${request.method} ${pathname}`,
      authorization: request.headers['authorization'],
    })
    return httpClient(request)
  }
  const clock = manualClock(Date.now())
  const blobs = createMemoryBlobs()
  const mirror = await startRegistry({
    ...{ clock, blobs, http },
    upstreams: [{ prefix: 'docker.io', url: `http://127.0.0.1:${upstream.port}`, ...config }],
  })
  cleanups.push(
    () => mirror.close(),
    () => upstream.close(),
  )
  const pull = (path: string, method = 'GET') =>
    mirror.call(`/v2/library/node/${path}`, { host: 'mirror.local', method })
  return { upstream, mirror, blobs, clock, pull, asked }
}

const as = 'root:token-root'
const push = (on: TestRegistry, tag: string, content: string) =>
  on.pushImage('library/node', tag, content, { as })
const lines = (asked: { line: string }[], pattern: RegExp) =>
  asked.filter(one => pattern.test(one.line)).length

test('what is not here is fetched once, kept, and served when the upstream is away, saying so', async () => {
  const { upstream, clock, pull, asked } = await pair()
  const image = await push(upstream, '24', 'first')
  expect((await pull('manifests/24')).json()).toEqual(image.manifest)
  expect((await pull(`blobs/${image.layer.digest}`, 'HEAD')).headers['content-length']).toBe('11')
  expect((await pull(`blobs/${image.layer.digest}`)).body.toString()).toBe('layer first')
  expect((await pull(`manifests/${image.digest}`)).status).toBe(200)
  const count = asked.length
  expect((await pull('manifests/24')).status).toBe(200)
  expect((await pull(`blobs/${image.layer.digest}`)).body.toString()).toBe('layer first')
  expect(asked).toHaveLength(count)

  clock.advance(120_000)
  expect((await pull('manifests/24')).headers.warning).toBeUndefined()
  expect(asked.at(-1)?.line).toBe('HEAD /v2/library/node/manifests/24')
  const second = await push(upstream, '24', 'second')
  clock.advance(120_000)
  expect((await pull('manifests/24')).headers['docker-content-digest']).toBe(second.digest)

  await upstream.close()
  clock.advance(400_000)
  const stale = await pull('manifests/24')
  expect(stale.headers['docker-content-digest']).toBe(second.digest)
  expect(stale.headers.warning).toBe('110 - "Response is Stale"')
  const missing = await pull('manifests/22')
  expect(missing).toMatchObject({ status: 503, code: 'UNAVAILABLE' })
  expect(missing.json().errors[0].message).toContain("docker.io can't be asked")
})

test('what was pushed here stays, whatever the upstream has under that name', async () => {
  const { upstream, mirror, clock, pull, asked } = await pair()
  await push(upstream, '24', 'theirs')
  const host = 'mirror.local'
  const ours = await mirror.pushImage('library/node', '24', 'ours', { as, host })
  clock.advance(1_000_000)
  expect((await pull('manifests/24')).headers['docker-content-digest']).toBe(ours.digest)
  expect(asked).toEqual([])
})

test('what the upstream does not have, or may not be asked for, is unknown here', async () => {
  const { upstream, mirror, pull, asked } = await pair({ allow: ['library/no*'] })
  await push(upstream, '24', 'there')
  expect(await pull('manifests/none')).toMatchObject({ status: 404 })
  expect(await pull(`blobs/${sha256Of('none')}`)).toMatchObject({
    status: 404,
    code: 'BLOB_UNKNOWN',
  })
  const count = asked.length
  const other = await mirror.call('/v2/other/thing/manifests/1', { host: 'mirror.local' })
  expect(other).toMatchObject({ status: 404 })
  expect(asked).toHaveLength(count)
})

test('many readers of one blob: one fetch, every reader gets every byte as it comes', async () => {
  const { upstream, pull, asked, blobs } = await pair()
  const content = 'x'.repeat(3_000_000)
  const { digest } = await upstream.pushBlob('library/node', content, { as })
  const answers = await Promise.all(Array.from({ length: 12 }, () => pull(`blobs/${digest}`)))
  for (const { status, body } of answers) {
    expect(status).toBe(200)
    expect(sha256Of(body)).toBe(digest)
  }
  expect(lines(asked, /^GET .*blobs/)).toBe(1)
  expect(await blobs.stat(digest)).toMatchObject({ sizeBytes: 3_000_000 })
})

test('credentials go to the upstream’s own realm and to no other', async () => {
  const credentials = { username: 'root', password: new Secret('token-root') }
  const own = await pair({ credentials })
  await push(own.upstream, '24', 'private')
  const project = await own.upstream.accounts.project('library/node')
  await own.upstream.accounts.updateProject(project!.id, { visibility: 'private' })
  expect((await own.pull('manifests/24')).status).toBe(200)
  const token = own.asked.find(one => one.line.includes('/jwt/auth'))
  expect(token?.authorization).toBe(`Basic ${btoa('root:token-root')}`)

  const seen: (string | undefined)[] = []
  const thief = await listen((request, response) => {
    seen.push(request.headers.authorization)
    response.writeHead(200).end('{"token":"t"}')
  })
  const liar = await listen((request, response) => {
    seen.push(request.headers.authorization)
    const realm = `Bearer realm="http://127.0.0.1:${thief}/token",service="s"`
    response.writeHead(401, { 'www-authenticate': realm }).end()
  })
  const other = await pair({ credentials, url: `http://127.0.0.1:${liar}` })
  expect((await other.pull('manifests/24')).status).toBe(404)
  expect(seen).toEqual([undefined, undefined, 'Bearer t'])
})

test('a redirect to storage elsewhere does not see the token; a blob that lies is not kept', async () => {
  const seen: (string | undefined)[] = []
  const storage = await listen((request, response) => {
    seen.push(request.headers.authorization)
    response.writeHead(200, { 'content-length': '4' }).end('lies')
  })
  const front = await listen((request, response) => {
    if (request.headers.authorization === undefined)
      return response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
    response.writeHead(307, { location: `http://127.0.0.1:${storage}/blob` }).end()
  })
  const credentials = { username: 'root', password: new Secret('token-root') }
  const { pull, blobs } = await pair({ credentials, url: `http://127.0.0.1:${front}` })
  await pull(`blobs/${sha256Of('true')}`).catch(() => {})
  expect(seen).toEqual([undefined])
  expect(await blobs.stat(sha256Of('true'))).toBeUndefined()
})

test('a rate limit is kept to', async () => {
  let count = 0
  const busy = await listen((_, response) => {
    count++
    response.writeHead(429, { 'retry-after': '30' }).end()
  })
  const { pull, clock } = await pair({ url: `http://127.0.0.1:${busy}` })
  for (let tries = 0; tries < 3; tries++) {
    const answer = await pull('manifests/24')
    expect(answer).toMatchObject({ status: 503 })
    expect(answer.json().errors[0].message).toContain('rate limit')
  }
  expect(count).toBe(1)
  clock.advance(31_000)
  await pull('manifests/24')
  expect(count).toBe(2)
})

async function listen(handler: Parameters<typeof createServer>[1]): Promise<number> {
  const server: Server = createServer(handler)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}
