import { once } from 'node:events'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { openStage, testHost } from './testing.ts'

const ask = (extra = '') =>
  `GET /chat HTTP/1.1\r\nHost: ${testHost}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n${extra}\r\n`

/** Agrees to every upgrade, then sends each chunk back in capitals. */
function shouting(server: Server) {
  server.on('upgrade', (request, socket: Socket, head) => {
    const seen = `${request.headers['x-forwarded-for']} ${request.headers.upgrade} ${request.headers.connection}`
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Seen: ${seen}\r\n\r\nhello`,
    )
    if (head.length > 0) socket.write(head.toString().toUpperCase())
    socket.on('data', chunk => socket.write(chunk.toString().toUpperCase()))
    socket.on('end', () => socket.end())
    socket.on('error', () => {})
  })
}

test('an agreed upgrade is a pipe, both ways, and logs its end', async () => {
  await using stage = await openStage()
  stage.route([await stage.backend(() => {}, shouting)])
  const socket = await stage.socket()
  let seen = ''
  socket.on('data', chunk => {
    seen += chunk
  })
  const until = async (text: string) => {
    while (!seen.includes(text)) await once(socket, 'data')
  }
  socket.write(`${ask()}early`)
  await until('EARLY')
  expect(seen).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/)
  expect(seen).toContain('X-Seen: 127.0.0.1 websocket Upgrade')
  expect(seen).toContain('hello')
  socket.write('more')
  await until('MORE')
  socket.end()
  await stage.ended(1)
  expect(stage.lines[0]!.text).toMatch(/dyno=web\.1 .*status=101 bytes=\d+ /)
})

test('the process can end it too, and drained does not wait for it', async () => {
  await using stage = await openStage()
  let inner: Socket | undefined
  const backend = await stage.backend(
    () => {},
    server => {
      shouting(server)
      server.on('upgrade', (_request, socket: Socket) => {
        inner = socket
      })
    },
  )
  stage.route([backend])
  const socket = await stage.socket()
  socket.write(ask())
  await once(socket, 'data')
  await stage.router.drained(backend.id, 60_000)
  inner!.destroy()
  await once(socket, 'close')
  await stage.ended(1)
})

test('a refused upgrade is an ordinary answer, and the connection ends', async () => {
  await using stage = await openStage()
  const urls: (string | undefined)[] = []
  stage.route([
    await stage.backend((request, response) => {
      urls.push(request.url)
      response.writeHead(426, { 'X-Why': 'no' }).end('no sockets here')
    }),
  ])
  const answer = await stage.raw(`${ask()}GET /leaked HTTP/1.1\r\nHost: ${testHost}\r\n\r\n`)
  expect(answer).toMatch(/^HTTP\/1\.1 426 [\s\S]*no sockets here/)
  expect(answer).toMatch(/connection: close/i)
  expect(urls).toEqual(['/chat'])
  expect(stage.lines[0]).toMatchObject({ status: 426 })
})

test.each([
  ['a body', ask('Content-Length: 5\r\n')],
  ['HTTP/2', ask().replace('websocket', 'h2c')],
])('S-38 no tunnel with %s', async (_name, bytes) => {
  await using stage = await openStage()
  stage.route([await stage.backend(() => {}, shouting)])
  expect(await stage.raw(bytes)).toMatch(/^HTTP\/1\.1 400 /)
})

test('unknown hosts, crashed apps and closed ports get pages', async () => {
  await using stage = await openStage()
  expect(await stage.raw(ask())).toMatch(/^HTTP\/1\.1 404 /)
  stage.route([], { state: 'crashed' })
  expect(await stage.raw(ask())).toMatch(/^HTTP\/1\.1 503 [\s\S]*H10/)
  stage.route([{ id: 'gone', dyno: 'web.1', host: '127.0.0.1', port: 1 }])
  expect(await stage.raw(ask())).toMatch(/^HTTP\/1\.1 503 [\s\S]*H21/)
})

test('an upgraded connection on which nothing moves ends', async () => {
  await using stage = await openStage({ limits: { idleMs: 50 } })
  stage.route([await stage.backend(() => {}, shouting)])
  expect(await stage.raw(ask())).toContain('101')
  await stage.ended(1)
})
