import type { IncomingMessage } from 'node:http'

/**
 * Whether a request can be read in one way only (RFC 9112 §6.3, RFC 9110 §7.2). Node's parser refuses most of these by itself; the router
 * looks again, because what two parsers read differently is how one client's bytes become another's request.
 */
export function isWellFramed(request: IncomingMessage): boolean {
  let hosts = 0
  let lengths = 0
  let encodings = 0
  const raw = request.rawHeaders
  for (let at = 0; at < raw.length; at += 2) {
    const value = raw[at + 1]!
    switch (raw[at]!.toLowerCase()) {
      case 'host':
        hosts++
        break
      case 'content-length':
        lengths++
        if (!/^\d{1,15}$/.test(value)) return false
        break
      case 'transfer-encoding':
        encodings++
        if (value.toLowerCase() !== 'chunked') return false
        break
    }
  }
  if (hosts > 1 || lengths > 1 || encodings > 1 || (lengths > 0 && encodings > 0)) return false
  if (encodings > 0 && request.httpVersion !== '1.1') return false
  return /^[!-~\x80-\xff]+$/.test(request.url ?? '')
}

/** The origin form of the request's target (RFC 9112 §3.2), or undefined when it isn't for this host. */
export function targetOf(request: IncomingMessage): string | undefined {
  const url = request.url!
  if (url.startsWith('/')) return url
  const match = /^https?:\/\/([^/?#]*)([^#]*)$/i.exec(url)
  if (!match || match[1]!.toLowerCase() !== request.headers.host?.toLowerCase()) return undefined
  const rest = match[2]!
  return rest.startsWith('/') ? rest : `/${rest}`
}

export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length']
  return (
    request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
  )
}
