import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../lib/index.ts'
import type { Engine } from '../index.ts'
import { createDockerEngine } from './index.ts'

/** What the adapter does when the engine is old, away, or goes away: seen from a server of ours on a Unix socket. */
describe('an engine that', () => {
  const cleanUp: (() => unknown)[] = []
  afterEach(async () => {
    for (const one of cleanUp.splice(0).reverse()) await one()
  })

  async function serve(socketPath: string, listener: RequestListener): Promise<Server> {
    const server = createServer(listener)
    await new Promise<void>(resolve => server.listen(socketPath, resolve))
    cleanUp.push(() => close(server))
    return server
  }

  function close(server: Server): Promise<void> {
    server.closeAllConnections()
    return new Promise(resolve => server.close(() => resolve()))
  }

  function engineAt(): { socketPath: string; engine: Engine } {
    const directory = mkdtempSync(path.join(tmpdir(), 'slipway-engine-'))
    const socketPath = path.join(directory, 'engine.sock')
    const clock = {
      ...systemClock,
      sleep: (_ms: number, signal?: AbortSignal) => systemClock.sleep(1, signal),
    }
    const engine = createDockerEngine({ socketPath }, clock)
    cleanUp.push(
      () => rmSync(directory, { recursive: true }),
      () => engine.close(),
    )
    return { socketPath, engine }
  }

  it('is not there is named with its place, and found when it comes', async () => {
    const { socketPath, engine } = engineAt()
    await expect(engine.info()).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining(socketPath),
      hint: expect.stringContaining('script/setup'),
    })
    await serve(socketPath, (request, response) => {
      response.setHeader('api-version', '1.43')
      response.end(request.url === '/_ping' ? 'OK' : JSON.stringify({ ServerVersion: request.url }))
    })
    expect(await engine.info()).toMatchObject({ version: '/v1.43/info', apiVersion: '1.43' })
  })

  it('is newer is spoken to in the version that we know', async () => {
    const { socketPath, engine } = engineAt()
    await serve(socketPath, (request, response) => {
      response.setHeader('api-version', '1.99').end(JSON.stringify({ Name: request.url }))
    })
    expect((await engine.info()).name).toBe('/v1.44/info')
  })

  it('is too old, or no engine at all, is refused', async () => {
    for (const version of ['1.40', undefined]) {
      const { socketPath, engine } = engineAt()
      await serve(socketPath, (_request, response) => {
        if (version !== undefined) response.setHeader('api-version', version)
        response.end()
      })
      await expect(engine.info()).rejects.toThrow(/needs 1\.41/)
    }
  })

  it('refuses is quoted, with the code that fits', async () => {
    const { socketPath, engine } = engineAt()
    const answers: [number, string, string][] = [
      [400, 'invalid mount config', 'invalid'],
      [403, 'has active endpoints', 'forbidden'],
      [404, 'No such image: x', 'not_found'],
      [409, 'name is in use', 'conflict'],
      [500, 'OCI runtime create failed: executable file not found in $PATH', 'invalid'],
      [500, 'Get https://r/v2/: dial tcp 1.2.3.4:443: i/o timeout', 'unavailable'],
      [500, 'something broke', 'internal'],
      [503, 'starting', 'unavailable'],
    ]
    let next: [number, string, string] | undefined
    await serve(socketPath, (request, response) => {
      response.setHeader('api-version', '1.41')
      if (request.url === '/_ping') return response.end()
      response.statusCode = next![0]
      response.end(JSON.stringify({ message: next![1] }))
    })
    for (const answer of answers) {
      next = answer
      await expect(engine.info()).rejects.toMatchObject({ message: answer[1], code: answer[2] })
    }
  })

  it('restarts is listened to again, beginning with a resync', async () => {
    const { socketPath, engine } = engineAt()
    let connections = 0
    const listener: RequestListener = (request, response) => {
      response.setHeader('api-version', '1.41')
      if (request.url === '/_ping') return response.end()
      connections++
      response.write(
        `${JSON.stringify({ Action: 'die', Actor: { ID: `c${connections}`, Attributes: { exitCode: '1', 'my.label': 'x', image: 'i' } }, timeNano: 5_000_000 })}\n`,
      )
    }
    const first = await serve(socketPath, listener)
    const stop = new AbortController()
    const events = engine.events({ 'my.label': 'x' }, stop.signal)[Symbol.asyncIterator]()
    expect((await events.next()).value).toMatchObject({ type: 'resync' })
    expect((await events.next()).value).toEqual({
      type: 'die',
      id: 'c1',
      labels: { 'my.label': 'x' },
      exitCode: 1,
      at: 5,
    })
    await close(first)
    const again = events.next()
    await serve(socketPath, listener)
    expect((await again).value).toMatchObject({ type: 'resync' })
    expect((await events.next()).value).toMatchObject({ id: 'c2' })
    const end = events.next()
    stop.abort()
    expect((await end).done).toBe(true)
  })

  it('restarts is waited for by those who wait for a container', async () => {
    const { socketPath, engine } = engineAt()
    let waits = 0
    await serve(socketPath, (request, response) => {
      response.setHeader('api-version', '1.41')
      if (request.url === '/_ping') return response.end()
      if (request.url?.endsWith('/json'))
        return response.end(JSON.stringify({ State: { OOMKilled: true } }))
      if (waits++ < 3) return response.destroy()
      response.end(JSON.stringify({ StatusCode: 137 }))
    })
    expect(await engine.wait('c')).toEqual({ exitCode: 137, outOfMemory: true })
    expect(waits).toBe(4)
  })
})
