import { createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import type { Backend, Route } from './index.ts'
import { openStage, type Stage, testHost } from './testing.ts'

async function tcpBackend(
  onConnection: (socket: Socket) => void,
): Promise<Backend & AsyncDisposable> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    onConnection(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    id: `tcp/${port}`,
    dyno: 'web.1',
    host: '127.0.0.1',
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

async function closedPort(): Promise<Backend> {
  const { id, dyno, host, port, [Symbol.asyncDispose]: close } = await tcpBackend(() => {})
  await close()
  return { id, dyno, host, port }
}

async function expectCode(stage: Stage, code: string, status: number, path = '/') {
  const answer = await stage.get(path, { headers: { accept: 'application/json' } })
  expect(answer.status).toBe(status)
  expect(await answer.json()).toMatchObject({ id: code, status })
  await stage.ended(1)
  expect(stage.lines[0]).toMatchObject({ code, status })
  return stage.lines[0]!.text
}

test.each([
  ['crashed', 'H10', 503, 'at=error code=H10 desc="App crashed"'],
  ['none', 'H14', 503, 'at=error code=H14 desc="No web dynos running"'],
  ['maintenance', 'H80', 503, 'at=info code=H80 desc="Maintenance mode"'],
  ['blank', 'H81', 502, 'at=info code=H81 desc="Blank app"'],
] as const)('an app that is %s answers %s', async (state: Route['state'], code, status, head) => {
  await using stage = await openStage()
  stage.route([], { state })
  const line = await expectCode(stage, code, status)
  expect(line).toMatch(/ dyno= connect= service= status=\d+ bytes= protocol=http$/)
  expect(line).toContain(`${head} method=GET path="/" host=${testHost}`)
})

test('maintenance also when processes run', async () => {
  await using stage = await openStage()
  stage.route([await stage.backend((_request, response) => response.end())], {
    state: 'maintenance',
  })
  await expectCode(stage, 'H80', 503)
})

test('H20 when the app does not boot in time', async () => {
  await using stage = await openStage({ limits: { bootMs: 20 } })
  stage.route([], { state: 'booting' })
  await expectCode(stage, 'H20', 503)
})

test('a request waits for an app that boots', async () => {
  await using stage = await openStage()
  stage.route([], { state: 'booting' })
  const pending = stage.get('/')
  const backend = await stage.backend((_request, response) => response.end('up'))
  stage.route([], { state: 'booting' })
  stage.route([backend])
  expect(await (await pending).text()).toBe('up')
})

test('H10 at once when the boot it waits for fails, H11 when too many wait', async () => {
  await using stage = await openStage({ limits: { waiting: 1 } })
  stage.route([], { state: 'booting' })
  const [first, second] = [stage.get('/first'), stage.get('/second')]
  await stage.ended(1)
  expect(stage.lines[0]).toMatchObject({ code: 'H11' })
  stage.route([], { state: 'crashed' })
  expect((await first).status).toBe(503)
  expect((await second).status).toBe(503)
  expect(stage.lines[1]).toMatchObject({ code: 'H10' })
})

test('H12 when the first byte takes too long', async () => {
  await using stage = await openStage({ limits: { firstByteMs: 30 } })
  stage.route([await stage.backend(() => {})])
  expect(await expectCode(stage, 'H12', 503)).toMatch(/dyno=web\.1 connect=\d+ms service=\d+ms/)
})

test('H13 when the process hangs up without an answer', async () => {
  await using stage = await openStage()
  await using backend = await tcpBackend(socket => socket.on('data', () => socket.destroy()))
  stage.route([backend])
  await expectCode(stage, 'H13', 503)
})

test('H15 when an answer stops', async () => {
  await using stage = await openStage({ limits: { idleMs: 40 } })
  stage.route([
    await stage.backend((_request, response) => {
      response.writeHead(200)
      response.write('start')
    }),
  ])
  const answer = await stage.get('/')
  await expect(answer.text()).rejects.toThrow()
  await stage.ended(1)
  expect(stage.lines[0]).toMatchObject({ code: 'H15' })
})

test('H17 when the answer is not HTTP', async () => {
  await using stage = await openStage()
  await using backend = await tcpBackend(socket =>
    socket.on('data', () => socket.end('220 ESMTP\r\n')),
  )
  stage.route([backend])
  await expectCode(stage, 'H17', 503)
})

test('H18 when the process hangs up in its answer: the client sees the break', async () => {
  await using stage = await openStage()
  await using backend = await tcpBackend(socket =>
    socket.on('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart')
      setImmediate(() => socket.destroy())
    }),
  )
  stage.route([backend])
  const answer = await stage.raw(`GET / HTTP/1.1\r\nHost: ${testHost}\r\n\r\n`)
  expect(answer).toMatch(/content-length: 100[\s\S]*part$/i)
  await stage.ended(1)
  expect(stage.lines[0]).toMatchObject({ code: 'H18' })
})

test('H21 when nothing listens', async () => {
  await using stage = await openStage()
  stage.route([await closedPort()])
  await expectCode(stage, 'H21', 503)
})

test('H27 when the client goes away', async () => {
  await using stage = await openStage()
  const arrived = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<void>()
  stage.route([
    await stage.backend(request => {
      request.on('close', () => gone.resolve())
      arrived.resolve()
    }),
  ])
  const socket = await stage.socket()
  socket.write(`GET / HTTP/1.1\r\nHost: ${testHost}\r\n\r\n`)
  await arrived.promise
  socket.destroy()
  await gone.promise
  await stage.ended(1)
  expect(stage.lines[0]).toMatchObject({ code: 'H27', status: 499 })
})

test('H28 when the client stops sending', async () => {
  await using stage = await openStage({ limits: { idleMs: 40 } })
  stage.route([await stage.backend(() => {})])
  const answer = await stage.raw(
    `POST / HTTP/1.1\r\nHost: ${testHost}\r\nContent-Length: 10\r\n\r\nhalf`,
  )
  expect(answer).toMatch(/^HTTP\/1\.1 499 /)
  expect(stage.lines[0]).toMatchObject({ code: 'H28' })
})

test('a process that refuses is passed over, for requests that may be sent twice', async () => {
  await using stage = await openStage()
  const alive = await stage.backend((_request, response) => response.end('ok'))
  stage.route([await closedPort(), alive])
  for (let at = 0; at < 4; at++) expect((await stage.get('/')).status).toBe(200)
  const statuses = await Promise.all(
    [1, 2].map(async () => (await stage.get('/', { method: 'POST', body: 'x' })).status),
  )
  expect(statuses.sort()).toEqual([200, 503])
})

test('a connection that the process closed while idle costs no request', async () => {
  await using stage = await openStage()
  const sockets: Socket[] = []
  await using backend = await tcpBackend(socket => {
    sockets.push(socket)
    let requests = 0
    socket.on('data', () => {
      if (sockets.length === 1 && ++requests > 1) socket.destroy()
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
  })
  stage.route([backend])
  expect((await stage.get('/')).status).toBe(200)
  expect((await stage.get('/')).status).toBe(200)
  expect(sockets.length).toBe(2)
})

test.each([
  ['text/html,application/xhtml+xml', 'text/html; charset=utf-8', /<h1>This app has crashed<\/h1>/],
  ['application/vnd.api+json', 'application/json; charset=utf-8', /"id":"H10"/],
  [undefined, 'text/plain; charset=utf-8', /^H10 This app has crashed\n/],
])('the page for Accept: %s', async (accept, type, body) => {
  await using stage = await openStage()
  stage.route([], { state: 'crashed' })
  const answer = await stage.get('/', { headers: { accept: accept ?? '*/*' } })
  expect(answer.headers.get('content-type')).toBe(type)
  const text = await answer.text()
  expect(text).toMatch(body)
  expect(text).toContain(answer.headers.get('x-request-id'))
})
