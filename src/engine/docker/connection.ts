import { existsSync } from 'node:fs'
import path from 'node:path'
import { Failure } from '../../lib/index.ts'

/** Where the engine listens: a Unix socket, or `http://host:port`. */
export type Connection = { readonly socketPath: string } | { readonly host: string }

const defaultSocket = '/var/run/docker.sock'

/**
 * Finds the engine as the `docker` command does: `DOCKER_HOST` (`unix://`, `tcp://`, `http://`), else the first socket that exists of the system's, a
 * rootless engine's and Docker Desktop's. Throws `Failure('invalid')` for an address that Slipway can't speak to.
 */
export function connectionFrom(
  env: Readonly<Record<string, string | undefined>>,
  exists: (file: string) => boolean = existsSync,
): Connection {
  const address = env['DOCKER_HOST']?.trim()
  if (!address) return { socketPath: socketIn(env, exists) }
  const match = /^([a-z]+):\/\/(.+)$/.exec(address)
  if (match === null)
    throw refused(address, 'is not an address such as unix:///var/run/docker.sock')
  const [, scheme, rest] = match as unknown as [string, string, string]
  if (scheme === 'unix') {
    if (!rest.startsWith('/')) throw refused(address, 'needs an absolute path')
    return { socketPath: rest }
  }
  if (scheme === 'ssh') throw refused(address, 'goes over SSH, which Slipway does not speak')
  if (scheme !== 'tcp' && scheme !== 'http')
    throw refused(address, `has the scheme ${scheme}, which Slipway does not speak`)
  if (env['DOCKER_TLS_VERIFY'])
    throw refused(address, 'asks for TLS (DOCKER_TLS_VERIFY is set), which Slipway does not speak')
  const url = URL.parse(`http://${rest}`)
  if (url === null || url.hostname === '') throw refused(address, 'has no valid host')
  return { host: `http://${url.hostname}:${url.port || '2375'}` }
}

function socketIn(
  env: Readonly<Record<string, string | undefined>>,
  exists: (file: string) => boolean,
): string {
  const candidates = [
    defaultSocket,
    ...(env['XDG_RUNTIME_DIR'] ? [path.join(env['XDG_RUNTIME_DIR'], 'docker.sock')] : []),
    ...(env['HOME'] ? [path.join(env['HOME'], '.docker/run/docker.sock')] : []),
  ]
  return candidates.find(exists) ?? defaultSocket
}

function refused(address: string, why: string): Failure {
  return new Failure('invalid', `DOCKER_HOST=${address} ${why}.`, {
    hint: 'Use unix:///path/to/docker.sock or tcp://host:2375, or forward the engine over a tunnel: ssh -L 2375:/var/run/docker.sock HOST.',
  })
}
