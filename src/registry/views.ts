import type { IncomingMessage } from 'node:http'
import type { RegistryOptions } from './ports.ts'

/** How the host name that the client used changes what names mean. */
export interface View {
  /** Scheme, host and port as the client sees them. */
  origin: string
  /** Put before the names that the client uses: `heroku/`, `docker.io/` or nothing. */
  prefix: string
  challenge: 'basic' | 'bearer'
  /** `GET /v2/` is answered without credentials: a mirror's clients never log in. */
  isOpen: boolean
}

const defaultHosts = {
  heroku: ['registry.heroku.com'],
  hub: ['registry-1.docker.io', 'index.docker.io', 'docker.io', 'registry.hub.docker.com'],
  mirror: [],
}

/**
 * Apps' and Docker Hub's host names have views of their own; a host that begins with `mirror.` is Docker Hub for
 * `registry-mirrors`. Apps get a Basic challenge, as their clients send it anyway; Docker Hub's get Bearer, since
 * dockerd pulls without a login only through a token.
 */
export function viewOf(request: IncomingMessage, hosts: RegistryOptions['hosts']): View {
  const authority = hostOf(request)
  const name = authority.replace(/:\d+$/, '').replace(/\.$/, '')
  const origin = `${schemeOf(request)}://${authority}`
  const isIn = (kind: keyof typeof defaultHosts) =>
    (hosts?.[kind] ?? defaultHosts[kind]).includes(name)
  if (isIn('heroku')) return { origin, prefix: 'heroku/', challenge: 'basic', isOpen: false }
  if (isIn('hub')) return { origin, prefix: 'docker.io/', challenge: 'bearer', isOpen: false }
  if (isIn('mirror') || name.startsWith('mirror.'))
    return { origin, prefix: 'docker.io/', challenge: 'bearer', isOpen: true }
  return { origin, prefix: '', challenge: 'bearer', isOpen: false }
}

/** The name as it is stored. Docker Hub's one-part names are short for `library/…`. */
export function storedName(view: View, name: string): string {
  if (view.prefix === 'docker.io/' && !name.includes('/')) return `docker.io/library/${name}`
  return view.prefix + name
}

/** The name as this view's client writes it. */
export function shownName(view: View, repository: string): string {
  return repository.startsWith(view.prefix) ? repository.slice(view.prefix.length) : repository
}

function hostOf(request: IncomingMessage): string {
  const host = (request.headers.host ?? '').toLowerCase()
  return /^[a-z0-9.-]+(:\d+)?$|^\[[0-9a-f:]+\](:\d+)?$/.test(host) ? host : 'localhost'
}

/** A front that ends TLS says so in a header; it changes nothing but the addresses in our answer. */
function schemeOf(request: IncomingMessage): 'http' | 'https' {
  const forwarded = request.headers['x-forwarded-proto']
  const first = (Array.isArray(forwarded) ? forwarded[0] : forwarded)?.split(',')[0]?.trim()
  if (first === 'https' || first === 'http') return first
  return 'encrypted' in request.socket ? 'https' : 'http'
}
