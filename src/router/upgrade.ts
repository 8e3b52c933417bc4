import { request as httpRequest, type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ExchangeHost } from './exchange.ts'
import { requestHeaders, responseHeaders } from './headers.ts'
import type { Upstream } from './upstream.ts'
import type { Visit } from './visit.ts'

/** A response object on a connection that Node has handed over as an upgrade: one answer, then the connection ends. */
export function responseOn(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket as Socket)
  response.on('finish', () => {
    response.detachSocket(socket as Socket)
    socket.end()
  })
  return response
}

/**
 * Passes an upgrade on. Only after the process has agreed (101) do bytes flow unread in both directions; any other answer ends the
 * connection, so that nothing can be sent to the process past the router.
 */
export function upgradeTo(
  host: ExchangeHost,
  visit: Visit,
  client: Socket,
  head: Buffer,
  upstream: Upstream,
): void {
  const { request } = visit
  const started = host.now()
  let settled = false
  upstream.begin()
  const settle = () => {
    if (settled) return false
    settled = true
    upstream.end()
    return true
  }
  const ending = () => ({
    dyno: upstream.backend.dyno,
    serviceMs: host.now() - started,
  })
  const outgoing = httpRequest({
    host: upstream.backend.host,
    port: upstream.backend.port,
    method: request.method,
    path: visit.target,
    headers: [
      ...requestHeaders(visit),
      'Connection',
      'Upgrade',
      'Upgrade',
      request.headers.upgrade!,
    ],
    agent: false,
    timeout: host.limits.firstByteMs,
  })
  const refuse = (code: 'H12' | 'H13' | 'H18' | 'H21') => {
    if (settle()) host.fail(visit, responseOn(request, client), code, ending())
  }
  outgoing.on('timeout', () => {
    refuse('H12')
    outgoing.destroy()
  })
  outgoing.on('error', error =>
    refuse('code' in error && error.code === 'ECONNREFUSED' ? 'H21' : 'H13'),
  )
  client.on('close', () => {
    if (settle()) host.done(visit, { ...ending(), status: 499, code: 'H27' })
    outgoing.destroy()
  })
  outgoing.on('response', answer => {
    const response = responseOn(request, client)
    response.writeHead(answer.statusCode!, answer.statusMessage, {
      ...responseHeaders(answer.headers, visit.requestId),
      connection: 'close',
    })
    let bytes = 0
    answer.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    answer.pipe(response)
    answer.on('close', () => {
      if (!answer.complete) client.destroy()
      if (settle()) host.done(visit, { ...ending(), status: answer.statusCode!, bytes })
    })
  })
  outgoing.on('upgrade', (answer, backend: Socket, backendHead) => {
    settle()
    const before = backend.bytesRead
    client.write(switching(answer, visit.requestId))
    if (backendHead.length > 0) client.write(backendHead)
    if (head.length > 0) backend.write(head)
    join(client, backend, host.limits.idleMs, () =>
      host.done(visit, {
        ...ending(),
        status: 101,
        bytes: backend.bytesRead - before + backendHead.length,
      }),
    )
  })
  outgoing.end()
}

function switching(answer: IncomingMessage, requestId: string): string {
  const lines = [`HTTP/1.1 101 ${answer.statusMessage || 'Switching Protocols'}`]
  for (let at = 0; at < answer.rawHeaders.length; at += 2)
    lines.push(`${answer.rawHeaders[at]}: ${answer.rawHeaders[at + 1]}`)
  return `${lines.join('\r\n')}\r\nX-Request-Id: ${requestId}\r\nVia: 1.1 slipway\r\n\r\n`
}

/** Pipes both ways until either end is gone, or nothing has moved for `idleMs`. */
function join(client: Socket, backend: Socket, idleMs: number, onEnd: () => void): void {
  const end = () => {
    client.destroy()
    backend.destroy()
  }
  for (const socket of [client, backend]) {
    socket.setNoDelay?.(true)
    socket.on('error', end)
    socket.on('close', end)
  }
  backend.setTimeout(0)
  client.setTimeout(idleMs, end)
  backend.on('close', onEnd)
  client.pipe(backend)
  backend.pipe(client)
}
