import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Logger } from '../lib/index.ts'

/** Takes a request or leaves it untouched (false) for the next. */
export type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
) => boolean | Promise<boolean>

export interface Front {
  /** Does this host belong to an app (also to one that isn't there)? Then the router answers. */
  isAppHost(host: string): boolean
  router: {
    handle(request: IncomingMessage, response: ServerResponse): void
    upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  }
  /** Asked in order; the last one takes everything. */
  handlers: readonly Handler[]
  log: Logger
}

/** The host that the client asked for: lower case, without port and trailing dot. */
export function hostOf(request: IncomingMessage): string {
  const host = (request.headers.host ?? '').toLowerCase()
  return host.replace(/:\d+$/, '').replace(/\.$/, '')
}

/** One HTTP server for everything: apps by their host, the rest by path. Used behind TCP, and behind the Unix sockets that jobs reach. */
export function createFront(
  front: Front,
  options: { appsReachable: boolean } = { appsReachable: true },
): Server {
  const server = createServer({
    maxHeaderSize: 32 * 1024,
    requestTimeout: 0,
    headersTimeout: 60_000,
    keepAliveTimeout: 65_000,
  })
  server.on('request', (request, response) => {
    if (options.appsReachable && front.isAppHost(hostOf(request)))
      front.router.handle(request, response)
    else dispatch(front, request, response).catch(error => fail(front, request, response, error))
  })
  server.on('upgrade', (request, socket, head) => {
    if (options.appsReachable && front.isAppHost(hostOf(request)))
      front.router.upgrade(request, socket, head)
    else socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n')
  })
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n')
  })
  return server
}

async function dispatch(
  front: Front,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  for (const handler of front.handlers) if (await handler(request, response)) return
  response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('404 Not Found\n')
}

function fail(
  front: Front,
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
): void {
  front.log.error(
    { error, method: request.method, path: request.url?.split('?')[0] },
    'request failed',
  )
  if (response.headersSent) response.destroy()
  else
    response
      .writeHead(500, { 'content-type': 'text/plain; charset=utf-8' })
      .end('500 internal error\n')
}
