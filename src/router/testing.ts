import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { Agent, fetch, type RequestInit, type Response } from 'undici'
import { seededRandom, systemClock } from '../lib/index.ts'
import {
  type Backend,
  createRouter,
  type Limits,
  type RequestLine,
  type Route,
  type Router,
} from './index.ts'

/** A router behind a listener on loopback, and as many app processes as a test wants. For tests. */
export interface Stage extends AsyncDisposable {
  router: Router
  port: number
  lines: RequestLine[]
  /** Starts a process and returns it as a backend. */
  backend(listener: RequestListener, prepare?: (server: Server) => void): Promise<Backend>
  route(backends: Backend[], change?: Partial<Route>): void
  get(path: string, init?: RequestInit): Promise<Response>
  /** Sends bytes as they are; resolves with everything that came back until the connection ended or `until` was seen. */
  raw(bytes: string, until?: RegExp): Promise<string>
  socket(): Promise<Socket>
  /** Resolves when that many requests have ended. */
  ended(count: number): Promise<void>
}

export const testHost = 'shop.localhost'

export async function openStage(
  options: { limits?: Partial<Limits>; trustedProxies?: string[] } = {},
): Promise<Stage> {
  const lines: RequestLine[] = []
  const servers: Server[] = []
  let onLine = () => {}
  const router = createRouter({
    clock: systemClock,
    random: seededRandom(),
    onRequest(line) {
      lines.push(line)
      onLine()
    },
    ...options,
  })
  const front = createServer((request, response) => router.handle(request, response))
  front.on('upgrade', (request: IncomingMessage, socket, head) =>
    router.upgrade(request, socket, head),
  )
  const port = await listen(front)
  servers.push(front)
  const socket = () =>
    new Promise<Socket>((resolve, reject) => {
      const one = connect(port, '127.0.0.1', () => resolve(one))
      one.on('error', reject)
    })
  // Names under .localhost resolve by themselves in browsers, but not on every machine.
  const agent = new Agent({
    connect: {
      lookup: (_name, _options, found) => found(null, [{ address: '127.0.0.1', family: 4 }]),
    },
  })
  let count = 0
  return {
    router,
    port,
    lines,
    async backend(listener, prepare) {
      const server = createServer(listener)
      prepare?.(server)
      servers.push(server)
      return {
        id: `app/${++count}`,
        dyno: `web.${count}`,
        host: '127.0.0.1',
        port: await listen(server),
      }
    },
    route: (backends, change) =>
      router.set({ appId: 'app', hosts: [testHost], backends, state: 'up', ...change }),
    get: (path, init) => fetch(`http://${testHost}:${port}${path}`, { ...init, dispatcher: agent }),
    socket,
    async raw(bytes, until) {
      const one = await socket()
      let seen = ''
      one.write(bytes, 'latin1')
      return new Promise(resolve => {
        const end = () => {
          one.destroy()
          resolve(seen)
        }
        one.on('data', chunk => {
          seen += chunk.toString('latin1')
          if (until?.test(seen)) end()
        })
        one.on('close', end)
        one.on('error', end)
      })
    },
    async ended(wanted) {
      while (lines.length < wanted)
        await new Promise<void>(resolve => {
          onLine = resolve
        })
    },
    async [Symbol.asyncDispose]() {
      await agent.destroy()
      await router.close()
      for (const server of servers) {
        server.closeAllConnections()
        await new Promise(resolve => server.close(resolve))
      }
    },
  }
}

function listen(server: Server): Promise<number> {
  return new Promise(resolve =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
  )
}
