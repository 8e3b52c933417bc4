import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Failure, type Logger, systemClock, systemRandom } from '../lib/index.ts'
import type { Platform } from '../runner/index.ts'
import type { Addresses } from './addresses.ts'
import { openCertificates } from './certificates.ts'
import type { Config } from './config.ts'
import type { DataDirectory } from './data-directory.ts'
import { createFront, type Front } from './front.ts'

/** A Unix socket's path may have 107 bytes. */
const longestSocketPath = 107
const herokuNames = ['registry.heroku.com', 'api.heroku.com']
const dockerHubNames = ['registry-1.docker.io', 'index.docker.io', 'auth.docker.io', 'docker.io']

export interface Listening {
  /** How jobs reach us. */
  readonly platform: Platform
  close(): Promise<void>
}

/** Opens the TCP port for people, and the Unix sockets (plain and TLS) behind the jobs' gateways. */
export async function listen(options: {
  config: Config
  data: DataDirectory
  addresses: Addresses
  front: Front
  instance: string
  log: Logger
}): Promise<Listening> {
  const { config, data, addresses, front } = options
  const names = platformNames(config)
  const certificates = openCertificates(data, names, systemClock, systemRandom)
  const socketDirectory = shortDirectory(data, options.instance)

  const people = createFront(front)
  await open(
    people,
    () => people.listen(config.listen.port, config.listen.host),
    `${config.listen.host}:${config.listen.port}`,
  )
  addresses.setPort((people.address() as AddressInfo).port)

  const plain = createFront(front, { appsReachable: false })
  const inner = createFront(front, { appsReachable: false })
  const tls = createTlsServer(certificates.server, (request, response) => {
    request.headers['x-forwarded-proto'] = 'https'
    inner.emit('request', request, response)
  })
  for (const [server, name] of [
    [plain, 'http.sock'],
    [tls, 'https.sock'],
  ] as const) {
    const socket = path.join(socketDirectory, name)
    rmSync(socket, { force: true })
    await open(server, () => server.listen(socket), socket)
    chmodSync(socket, 0o666)
  }
  writeFileSync(data.at('run', 'address'), `http://${addresses.local()}\n`)
  return {
    platform: {
      names,
      socketDirectory,
      url: addresses.internalUrl,
      publicUrls: [addresses.url],
      caCertificatePem: certificates.caCertificatePem,
      caSubjectHash: certificates.caSubjectHash,
    },
    async close() {
      rmSync(data.at('run', 'address'), { force: true })
      await Promise.all([people, plain, tls].map(close))
    },
  }
}

function platformNames(config: Config): string[] {
  const intercepted = [
    ...(config.intercept.includes('heroku') ? herokuNames : []),
    ...(config.intercept.includes('dockerhub') ? dockerHubNames : []),
  ]
  return ['slipway.internal', 'registry.slipway.internal', ...intercepted]
}

/** DATA/run when its sockets' paths are short enough, else a folder of this instance in the temporary directory. */
function shortDirectory(data: DataDirectory, instance: string): string {
  const fits = Buffer.byteLength(data.at('run', 'https.sock')) <= longestSocketPath
  const directory = fits ? data.at('run') : path.join(tmpdir(), `slipway-${instance}`)
  mkdirSync(directory, { recursive: true })
  // jobs' gateways run as root in containers, whose user may be mapped
  chmodSync(directory, 0o755)
  return directory
}

function open(server: Server, start: () => void, where: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('listening', resolve)
    server.once('error', (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === 'EADDRINUSE'
      reject(
        new Failure(
          'conflict',
          isTaken
            ? `something listens on ${where} already`
            : `can't listen on ${where}: ${error.message}`,
          {
            hint: 'choose another address with --listen HOST:PORT',
          },
        ),
      )
    })
    start()
  })
}

function close(server: Server & { closeAllConnections?(): void }): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve())
    server.closeAllConnections?.()
  })
}
