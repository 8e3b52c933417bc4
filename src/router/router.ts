import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type Clock, type Random, uuid } from '../lib/index.ts'
import { type CodeName, codeOfState, codes, refusals } from './codes.ts'
import { Exchange, type ExchangeHost } from './exchange.ts'
import { hasBody, isWellFramed, targetOf } from './framing.ts'
import { hostName } from './host.ts'
import type { RequestLine, Router } from './index.ts'
import { defaultLimits, type Limits } from './limits.ts'
import { type Ending, requestLine } from './line.ts'
import { type Notice, page } from './page.ts'
import { type Entry, RouteTable } from './table.ts'
import { responseOn, upgradeTo } from './upgrade.ts'
import { Upstream } from './upstream.ts'
import { senderOf, trust, type Visit } from './visit.ts'

export interface RouterOptions {
  clock: Clock
  random: Random
  /** Called once for every request to an app, as it ends. Must not throw. */
  onRequest(line: RequestLine): void
  limits?: Partial<Limits>
  /** Addresses or CIDR ranges whose `X-Forwarded-*` and `X-Request-Id` are believed. */
  trustedProxies?: readonly string[]
}

export function createRouter(options: RouterOptions): Router {
  const limits = { ...defaultLimits, ...options.limits }
  const isTrusted = trust(options.trustedProxies ?? [])
  const { clock, random } = options
  const table = new RouteTable()
  const upstreams = new Map<string, Upstream>()
  const upgraded = new Set<Socket>()
  const closing = new AbortController()
  let turn = 0

  const prune = () => {
    const wanted = new Set<string>()
    for (const entry of table.entries())
      for (const backend of entry.route.backends) wanted.add(backend.id)
    for (const [id, upstream] of upstreams) {
      if (wanted.has(id)) {
        upstream.revive()
        continue
      }
      upstream.retire()
      if (upstream.inFlight === 0) upstreams.delete(id)
    }
  }
  const upstreamOf = (backend: Entry['route']['backends'][number]) => {
    let upstream = upstreams.get(backend.id)
    if (!upstream) {
      upstream = new Upstream(backend, limits)
      upstreams.set(backend.id, upstream)
    }
    return upstream
  }
  /** The least busy process; among equals the next one in turn. */
  const choose = (entry: Entry, not?: Upstream): Upstream | undefined => {
    const { backends } = entry.route
    let best: Upstream | undefined
    turn = (turn + 1) % 0x3fffffff
    for (let at = 0; at < backends.length; at++) {
      const one = upstreamOf(backends[(turn + at) % backends.length]!)
      if (one !== not && (!best || one.inFlight < best.inFlight)) best = one
    }
    return best
  }

  const host: ExchangeHost = {
    limits,
    now: () => clock.now(),
    another: (visit, not) => choose(visit.entry, not) ?? not,
    done: (visit, ending) =>
      options.onRequest(requestLine(visit, ending, clock.now(), limits.loggedPath)),
    fail(visit, response, code, ending) {
      const { status } = codes[code]
      if (code === 'H27') response.destroy()
      else answer(response, visit, codes[code], visit.requestId)
      host.done(visit, { ...ending, code, status } satisfies Ending)
    },
  }

  const refuse = (request: IncomingMessage, response: ServerResponse, notice: Notice) =>
    answer(response, { request }, notice, uuid(random))

  /** The visit, or undefined when it was refused. */
  const admit = (request: IncomingMessage, response: ServerResponse): Visit | undefined => {
    response.on('error', () => {})
    if (!isWellFramed(request)) return void refuse(request, response, refusals.badRequest)
    const entry = table.find(hostName(request.headers.host))
    if (!entry) return void refuse(request, response, refusals.unknownHost)
    const target = targetOf(request)
    if (target === undefined) return void refuse(request, response, refusals.badRequest)
    if (request.method === 'TRACE' || request.method === 'CONNECT')
      return void refuse(request, response, refusals.badMethod)
    const sender = senderOf(request, isTrusted, () => uuid(random))
    return { request, entry, target, at: clock.now(), ...sender }
  }

  /** A process to go to; waits for an app that boots. A code when there is none. */
  const find = (visit: Visit): Upstream | CodeName | 'wait' => {
    const { entry } = visit
    const { state } = entry.route
    if (closing.signal.aborted || entry.deleted) return 'H99'
    if (state === 'maintenance') return 'H80'
    const upstream = choose(entry)
    if (upstream) return upstream.inFlight < limits.inFlight ? upstream : 'H11'
    if (state !== 'booting') return codeOfState[state]
    return entry.waiting < limits.waiting ? 'wait' : 'H11'
  }

  const findSoon = async (visit: Visit, gone: AbortSignal): Promise<Upstream | CodeName> => {
    const { entry } = visit
    const signal = AbortSignal.any([gone, closing.signal, AbortSignal.timeout(limits.bootMs)])
    entry.waiting++
    try {
      while (!signal.aborted) {
        await entry.changed.wait(signal)
        const found = find(visit)
        if (found !== 'wait' && found !== 'H11') return found
      }
    } finally {
      entry.waiting--
    }
    return gone.aborted ? 'H27' : 'H20'
  }

  const send = (visit: Visit, response: ServerResponse, go: (upstream: Upstream) => void) => {
    const follow = (found: Upstream | CodeName) =>
      typeof found === 'string' ? host.fail(visit, response, found, {}) : go(found)
    const found = find(visit)
    if (found !== 'wait') return follow(found)
    const gone = new AbortController()
    const onClose = () => gone.abort()
    response.on('close', onClose)
    void findSoon(visit, gone.signal).then(later => {
      response.off('close', onClose)
      follow(gone.signal.aborted ? 'H27' : later)
    })
  }

  return {
    set(route) {
      table.set(route)
      prune()
    },
    delete(appId) {
      table.delete(appId)
      prune()
    },
    knows: name => table.find(hostName(name)) !== undefined,
    async drained(backendId, timeoutMs) {
      const upstream = upstreams.get(backendId)
      if (!upstream) return
      const abort = new AbortController()
      const timer = setTimeout(() => abort.abort(), timeoutMs)
      try {
        await upstream.drained(abort.signal)
      } finally {
        clearTimeout(timer)
      }
    },
    handle(request, response) {
      const visit = admit(request, response)
      if (visit)
        send(visit, response, upstream => new Exchange(host, visit, response, upstream).start())
    },
    upgrade(request, duplex, head) {
      const socket = duplex as Socket
      socket.on('error', () => socket.destroy())
      const early = responseOn(request, socket)
      // A tunnel that speaks HTTP/2 would carry requests past the router; a body before a tunnel can be read in two ways.
      if (hasBody(request) || request.headers.upgrade?.toLowerCase().includes('h2c'))
        return refuse(request, early, refusals.badRequest)
      const visit = admit(request, early)
      if (!visit) return
      upgraded.add(socket)
      socket.on('close', () => upgraded.delete(socket))
      send(visit, early, upstream => {
        early.detachSocket(socket)
        upgradeTo(host, visit, socket, head, upstream)
      })
    },
    async close() {
      closing.abort()
      for (const socket of upgraded) socket.destroy()
      for (const upstream of upstreams.values()) upstream.destroy()
      upstreams.clear()
    },
  }
}

/** Sends the notice's page when nothing has been sent yet; else the answer was broken off, and so is the connection. */
function answer(
  response: ServerResponse,
  { request }: { request: IncomingMessage },
  notice: Notice,
  requestId: string,
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const { status, headers, body } = page(notice, request.headers.accept, requestId)
  response.writeHead(status, headers)
  response.end(body)
}
