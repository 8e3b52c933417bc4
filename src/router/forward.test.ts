import { createHash, randomBytes } from 'node:crypto'
import { Agent, request as httpRequest } from 'node:http'
import { expect, test } from 'vitest'
import { openStage, testHost } from './testing.ts'

test('passes a request on and its answer back', async () => {
  await using stage = await openStage()
  const seen: Record<string, unknown>[] = []
  const backend = await stage.backend((request, response) => {
    seen.push({ method: request.method, url: request.url, headers: request.headers })
    response.setHeader('Set-Cookie', ['a=1', 'b=2'])
    response.writeHead(201, { 'X-App': 'yes' }).end('hello')
  })
  stage.route([backend])
  const answer = await stage.get('/a%20b?c=d&c=e', { headers: { cookie: 'x=y' } })
  expect(answer.status).toBe(201)
  expect(await answer.text()).toBe('hello')
  expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
  expect(answer.headers.get('via')).toBe('1.1 slipway')
  const { headers, ...line } = seen[0] as { headers: Record<string, string> }
  expect(line).toEqual({ method: 'GET', url: '/a%20b?c=d&c=e' })
  expect(headers).toMatchObject({
    host: `${testHost}:${stage.port}`,
    cookie: 'x=y',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-port': String(stage.port),
    'x-forwarded-host': `${testHost}:${stage.port}`,
    via: '1.1 slipway',
  })
  expect(answer.headers.get('x-request-id')).toBe(headers['x-request-id'])
  await stage.ended(1)
  expect(stage.lines[0]).toMatchObject({ appId: 'app', status: 201 })
  expect(stage.lines[0]!.text).toMatch(
    new RegExp(
      `^at=info method=GET path="/a%20b\\?c=d&c=e" host=${testHost}:${stage.port} request_id=${headers['x-request-id']} fwd="127.0.0.1" dyno=web.1 connect=\\d+ms service=\\d+ms status=201 bytes=5 protocol=http$`,
    ),
  )
})

test('streams a big body up and down without change', async () => {
  await using stage = await openStage()
  const backend = await stage.backend((request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/octet-stream' })
    request.pipe(response)
  })
  stage.route([backend])
  const block = randomBytes(1 << 20)
  const blocks = 24
  const sent = createHash('sha256')
  const received = createHash('sha256')
  await new Promise<void>((resolve, reject) => {
    const outgoing = httpRequest(
      { host: '127.0.0.1', port: stage.port, method: 'POST', headers: { host: testHost } },
      answer => {
        answer.on('data', chunk => received.update(chunk))
        answer.on('end', resolve)
        answer.on('error', reject)
      },
    )
    outgoing.on('error', reject)
    let left = blocks
    const write = () => {
      while (left-- > 0) {
        sent.update(block)
        if (!outgoing.write(block)) {
          outgoing.once('drain', write)
          return
        }
      }
      outgoing.end()
    }
    write()
  })
  expect(received.digest('hex')).toBe(sent.digest('hex'))
  await stage.ended(1)
  expect(stage.lines[0]!.text).toContain(`bytes=${blocks << 20}`)
})

test('passes parts of an answer on as they come', async () => {
  await using stage = await openStage()
  let more = (_text: string) => {}
  const backend = await stage.backend((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.write('data: 1\n\n')
    more = text => response.end(text)
  })
  stage.route([backend])
  const reader = (await stage.get('/')).body!.getReader()
  expect(Buffer.from((await reader.read()).value!).toString()).toBe('data: 1\n\n')
  more('data: 2\n\n')
  expect(Buffer.from((await reader.read()).value!).toString()).toBe('data: 2\n\n')
  expect((await reader.read()).done).toBe(true)
})

test('holds a fast process back when the client reads slowly', async () => {
  await using stage = await openStage()
  let written = 0
  let full = (_value: unknown) => {}
  const stalled = new Promise(resolve => {
    full = resolve
  })
  const block = Buffer.alloc(1 << 16)
  const total = 64 << 20
  const backend = await stage.backend((_request, response) => {
    const write = () => {
      while (written < total) {
        written += block.length
        if (!response.write(block)) {
          const waiting = setTimeout(full, 300)
          response.once('drain', () => {
            clearTimeout(waiting)
            write()
          })
          return
        }
      }
      response.end()
    }
    write()
  })
  stage.route([backend])
  const socket = await stage.socket()
  socket.pause()
  socket.write(`GET / HTTP/1.1\r\nHost: ${testHost}\r\nConnection: close\r\n\r\n`)
  await stalled
  expect(written).toBeLessThan(total)
  let received = 0
  socket.on('data', chunk => {
    received += chunk.length
  })
  socket.resume()
  await new Promise(resolve => socket.on('close', resolve))
  expect(received).toBeGreaterThan(total)
})

test('keeps connections on both sides', async () => {
  await using stage = await openStage()
  const ports = new Set<number | undefined>()
  const backend = await stage.backend((request, response) => {
    ports.add(request.socket.remotePort)
    response.end('ok')
  })
  stage.route([backend])
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const locals = new Set<number | undefined>()
  for (let at = 0; at < 5; at++)
    await new Promise<void>(resolve => {
      httpRequest(
        { host: '127.0.0.1', port: stage.port, agent, headers: { host: testHost } },
        answer => {
          locals.add(answer.socket.localPort)
          answer.resume().on('end', resolve)
        },
      ).end()
    })
  agent.destroy()
  expect(locals.size).toBe(1)
  expect(ports.size).toBe(1)
})

test.each([
  ['HEAD', 200, { 'Content-Length': '5' }],
  ['GET', 204, {}],
  ['GET', 304, { ETag: '"x"' }],
] as const)('%s %i has no body and ends', async (method, status, headers) => {
  await using stage = await openStage()
  const backend = await stage.backend((_request, response) => {
    response.writeHead(status, headers).end()
  })
  stage.route([backend])
  const answer = await stage.get('/', { method })
  expect(answer.status).toBe(status)
  expect(await answer.text()).toBe('')
})

test('an early answer reaches a client that is still sending', async () => {
  await using stage = await openStage()
  const backend = await stage.backend((_request, response) => {
    response.writeHead(413, { Connection: 'close' }).end('too big')
  })
  stage.route([backend])
  const answer = await stage.raw(
    `POST / HTTP/1.1\r\nHost: ${testHost}\r\nContent-Length: 1000000\r\n\r\nstart`,
    /too big/,
  )
  expect(answer).toMatch(/^HTTP\/1\.1 413 /)
})

test('goes to the least busy process, and in turn among equals', async () => {
  await using stage = await openStage()
  const counts = [0, 0]
  const held: (() => void)[] = []
  const listener = (at: number) => (request: { url?: string }, response: { end(): void }) => {
    counts[at]!++
    if (request.url === '/slow') held.push(() => response.end())
    else response.end()
  }
  stage.route([await stage.backend(listener(0)), await stage.backend(listener(1))])
  for (let at = 0; at < 6; at++) await stage.get('/')
  expect(counts).toEqual([3, 3])
  const slow = stage.get('/slow')
  while (held.length === 0) await new Promise(setImmediate)
  const busy = counts.indexOf(4)
  for (let at = 0; at < 4; at++) await stage.get('/')
  expect(counts[busy]).toBe(4)
  held[0]!()
  await slow
})

test('drained resolves with the last request, which went on after the route was switched', async () => {
  await using stage = await openStage()
  let finish = () => {}
  const arrived = Promise.withResolvers<void>()
  const old = await stage.backend((_request, response) => {
    finish = () => response.end('old')
    arrived.resolve()
  })
  const next = await stage.backend((_request, response) => response.end('new'))
  stage.route([old])
  const pending = stage.get('/')
  await arrived.promise
  stage.route([next])
  expect(await (await stage.get('/')).text()).toBe('new')
  let isDrained = false
  const drained = stage.router.drained(old.id, 10_000).then(() => {
    isDrained = true
  })
  await new Promise(setImmediate)
  expect(isDrained).toBe(false)
  finish()
  expect(await (await pending).text()).toBe('old')
  await drained
  await stage.router.drained('never seen', 10_000)
})

test('drained gives up after its time', async () => {
  await using stage = await openStage()
  const arrived = Promise.withResolvers<void>()
  const backend = await stage.backend(() => arrived.resolve())
  stage.route([backend])
  const pending = stage.get('/').catch(() => {})
  await arrived.promise
  await stage.router.drained(backend.id, 20)
  await stage.router.close()
  await pending
})
