import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { hostName } from './host.ts'
import { openStage, type Stage, testHost } from './testing.ts'

async function recording(stage: Stage) {
  const seen: IncomingMessage[] = []
  const backend = await stage.backend((request, response) => {
    seen.push(request)
    request.resume().on('end', () => response.end('app'))
  })
  stage.route([backend])
  return seen
}

test.each([
  ['other.localhost', 'an unknown name'],
  ['localhost', 'a parent of a known name'],
  [`evil-${testHost}`, 'a longer name'],
  [`${testHost}.evil.test`, 'a name that begins like a known one'],
  [`user@${testHost}`, 'a user part'],
  [`${testHost}:1:2`, 'two ports'],
  [`${testHost}/x`, 'a path'],
  ['shор.localhost', 'letters of another alphabet'],
  ['127.0.0.1', 'an address'],
])('S-37 Host %s (%s) reaches no app', async host => {
  await using stage = await openStage()
  const seen = await recording(stage)
  const answer = await stage.raw(
    `GET / HTTP/1.1\r\nHost: ${host}\r\nX-Forwarded-Host: ${testHost}\r\nConnection: close\r\n\r\n`,
  )
  expect(answer).toMatch(/^HTTP\/1\.1 40[04] /)
  expect(seen).toEqual([])
  expect(stage.lines).toEqual([])
})

test.each([testHost, testHost.toUpperCase(), `${testHost}:10080`, `${testHost}.`])(
  'S-37 Host %s is the app',
  async host => {
    await using stage = await openStage()
    const seen = await recording(stage)
    const answer = await stage.raw(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(seen.length).toBe(1)
    expect(stage.router.knows(host)).toBe(true)
  },
)

test('S-37 a host belongs to one app, and is free when that is gone', async () => {
  await using stage = await openStage()
  await recording(stage)
  const other = { appId: 'other', hosts: [testHost], backends: [], state: 'none' as const }
  expect(() => stage.router.set(other)).toThrow('belongs to another app')
  stage.router.delete('app')
  expect(stage.router.knows(testHost)).toBe(false)
  stage.router.set(other)
  expect((await stage.get('/')).status).toBe(503)
})

const smuggled = `GET /smuggled HTTP/1.1\r\nHost: ${testHost}\r\n\r\n`
const chunkedBody = '0\r\n\r\n'
test.each([
  ['CL.TE', ['Content-Length: 6', 'Transfer-Encoding: chunked'], chunkedBody + smuggled],
  ['TE.CL', ['Transfer-Encoding: chunked', 'Content-Length: 4'], `5c\r\n${smuggled}\r\n0\r\n\r\n`],
  ['two Content-Lengths', ['Content-Length: 0', 'Content-Length: 60'], smuggled],
  ['a list of Content-Lengths', ['Content-Length: 0, 60'], smuggled],
  ['a signed Content-Length', ['Content-Length: +0'], smuggled],
  ['TE in disguise', ['Transfer-Encoding: xchunked'], smuggled],
  ['TE twice', ['Transfer-Encoding: identity', 'Transfer-Encoding: chunked'], chunkedBody],
  ['TE with a tab', ['Transfer-Encoding:\tchunked, identity'], smuggled],
  ['a folded header', ['X-A: b', ' Transfer-Encoding: chunked'], smuggled],
  ['a space before the colon', ['Content-Length : 60'], smuggled],
  ['a bare CR', ['X-A: b\rContent-Length: 60'], smuggled],
  ['a second Host', [`Host: ${testHost}`], ''],
])('S-38 %s ends with 400, nothing passes', async (_name, headers, body) => {
  await using stage = await openStage()
  const seen = await recording(stage)
  const answer = await stage.raw(
    `POST /first HTTP/1.1\r\nHost: ${testHost}\r\n${headers.join('\r\n')}\r\n\r\n${body}`,
  )
  expect(answer).toMatch(/^HTTP\/1\.1 400 /)
  expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1)
  expect(seen.map(one => one.url)).toEqual([])
})

test('S-38 a target for another host, and one that is no path, are refused', async () => {
  await using stage = await openStage()
  const seen = await recording(stage)
  for (const target of ['http://other.localhost/', 'shop', '*', '//%00 x', 'ftp://x/']) {
    const answer = await stage.raw(
      `GET ${target} HTTP/1.1\r\nHost: ${testHost}\r\nConnection: close\r\n\r\n`,
    )
    expect(answer, target).toMatch(/^HTTP\/1\.1 400 /)
  }
  expect(seen).toEqual([])
  const answer = await stage.raw(
    `GET http://${testHost}/path?q HTTP/1.1\r\nHost: ${testHost}\r\nConnection: close\r\n\r\n`,
  )
  expect(answer).toMatch(/^HTTP\/1\.1 200 /)
  expect(seen[0]!.url).toBe('/path?q')
})

test('S-38 TRACE ends at the router', async () => {
  await using stage = await openStage()
  const seen = await recording(stage)
  const answer = await stage.raw(`TRACE / HTTP/1.1\r\nHost: ${testHost}\r\n\r\n`)
  expect(answer).toMatch(/^HTTP\/1\.1 405 /)
  expect(seen).toEqual([])
})

const spoofed = {
  'X-Request-Id': 'chosen-by-the-client-0001',
  'X-Forwarded-For': '6.6.6.6',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Port': '443',
  'X-Forwarded-Host': 'bank.test',
  X_Forwarded_For: '6.6.6.6',
  'X-Real-IP': '6.6.6.6',
  Forwarded: 'for=6.6.6.6',
  Via: '1.0 home',
  Connection: 'close, X-Secret, X-Forwarded-For, Host',
  'X-Secret': 'hop',
  'Proxy-Authorization': 'Basic eA==',
}
const asLines = (headers: Record<string, string>) =>
  Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')

test('S-39 what a client says of itself is replaced', async () => {
  await using stage = await openStage()
  const seen = await recording(stage)
  await stage.raw(`GET / HTTP/1.1\r\nHost: ${testHost}\r\n${asLines(spoofed)}\r\n`)
  const { headers } = seen[0]!
  expect(headers).toMatchObject({
    host: testHost,
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-port': '80',
    'x-forwarded-host': testHost,
    via: '1.0 home, 1.1 slipway',
  })
  expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
  for (const name of [
    'x_forwarded_for',
    'x-real-ip',
    'forwarded',
    'x-secret',
    'proxy-authorization',
  ])
    expect(headers).not.toHaveProperty(name)
})

test('S-39 a trusted proxy is believed, and its address added', async () => {
  await using stage = await openStage({ trustedProxies: ['127.0.0.0/8'] })
  const seen = await recording(stage)
  await stage.raw(`GET / HTTP/1.1\r\nHost: ${testHost}\r\n${asLines(spoofed)}\r\n`)
  expect(seen[0]!.headers).toMatchObject({
    'x-request-id': 'chosen-by-the-client-0001',
    'x-forwarded-for': '6.6.6.6, 127.0.0.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-port': '443',
    'x-forwarded-host': 'bank.test',
  })
  expect(stage.lines[0]!.text).toContain('fwd="6.6.6.6, 127.0.0.1"')
})

test('hop-by-hop headers of the answer stay here', async () => {
  await using stage = await openStage()
  stage.route([
    await stage.backend((_request, response) => {
      response.writeHead(200, { Connection: 'X-Inner', 'X-Inner': '1', 'X-Outer': '2' }).end('x')
    }),
  ])
  const { headers } = await stage.get('/')
  expect(headers.get('x-inner')).toBeNull()
  expect(headers.get('x-outer')).toBe('2')
})

test('nothing in a request can break its log line', async () => {
  await using stage = await openStage()
  await recording(stage)
  await stage.raw(
    `GET /"\\${'x'.repeat(3000)} HTTP/1.1\r\nHost: ${testHost}\r\nConnection: close\r\n\r\n`,
  )
  const { text } = stage.lines[0]!
  expect(text).toContain('path="/%22%5Cxxx')
  expect(text.length).toBeLessThan(2400)
  expect(text).toMatch(/…" host=/)
})

test.each([
  ['Shop.Example', 'shop.example'],
  ['shop.example:80', 'shop.example'],
  ['shop.example.', 'shop.example'],
  ['[::1]:80', '[::1]'],
  ['shop.example..', undefined],
  ['.shop', undefined],
  ['a b', undefined],
  ['', undefined],
  [undefined, undefined],
  ['shop:', undefined],
  [`${'a'.repeat(64)}.x`, undefined],
])('hostName(%s)', (header, name) => {
  expect(hostName(header)).toBe(name)
})
