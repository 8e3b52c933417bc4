import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { BlockList, isIP } from 'node:net'
import type { Entry } from './table.ts'

/** One request on its way, with what the router itself knows of its sender. */
export interface Visit {
  readonly request: IncomingMessage
  readonly entry: Entry
  /** Origin form. */
  readonly target: string
  readonly requestId: string
  /** `X-Forwarded-For` as the app sees it: only trusted proxies may have added to it. */
  readonly forwardedFor: string
  readonly protocol: 'http' | 'https'
  readonly port: string
  readonly host: string
  readonly at: number
}

export type Sender = Pick<Visit, 'requestId' | 'forwardedFor' | 'protocol' | 'port' | 'host'>

/** Answers whether an address is one of the proxies (`10.0.0.1`, `10.0.0.0/8`, `::1`) whose `X-Forwarded-*` count. */
export function trust(proxies: readonly string[]): (address: string) => boolean {
  if (proxies.length === 0) return () => false
  const list = new BlockList()
  for (const proxy of proxies) {
    const [address, bits] = proxy.split('/') as [string, string | undefined]
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return address => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/** Who sends this request, as far as it can be believed. */
export function senderOf(
  request: IncomingMessage,
  isTrusted: (address: string) => boolean,
  newId: () => string,
): Sender {
  const socket = request.socket as Socket & { encrypted?: boolean }
  const remote = (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
  const { headers } = request
  const host = headers.host ?? ''
  const trusted = isTrusted(remote)
  const told = (name: string) => (trusted ? (headers[name] as string | undefined) : undefined)
  const protocol = firstOf(told('x-forwarded-proto')) ?? (socket.encrypted ? 'https' : 'http')
  const id = told('x-request-id')
  const before = told('x-forwarded-for')
  return {
    requestId: id !== undefined && /^[\w.+=/-]{20,200}$/.test(id) ? id : newId(),
    forwardedFor: before === undefined ? remote : `${before}, ${remote}`,
    protocol: protocol === 'https' ? 'https' : 'http',
    port:
      firstOf(told('x-forwarded-port')) ??
      /:(\d{1,5})$/.exec(host)?.[1] ??
      (protocol === 'https' ? '443' : '80'),
    host: firstOf(told('x-forwarded-host')) ?? host,
  }
}

function firstOf(list: string | undefined): string | undefined {
  return list?.split(',')[0]?.trim() || undefined
}
