import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from '../lib/index.ts'
import { Failure } from '../lib/index.ts'
import type { Service } from './access.ts'
import { bodyOf, idleTimer, send } from './body.ts'
import { flush, packet } from './pkt-line.ts'
import type { GitProcess, GitProgram } from './program.ts'

const idleMs = 10 * 60_000
/** Wants and haves; a pack doesn't come this way. */
const maxRequestBytes = 64 * 1024 * 1024

export const noCache = {
  expires: 'Fri, 01 Jan 1980 00:00:00 GMT',
  pragma: 'no-cache',
  'cache-control': 'no-cache, max-age=0, must-revalidate',
}

/** Answers `info/refs`: which refs there are, or, in protocol 2, what the server can do. */
export async function advertise(
  program: GitProgram,
  directory: string,
  service: Service,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const env = protocolOf(request, service)
  const verb = service.replace('git-', '')
  const args = [verb, '--stateless-rpc', '--advertise-refs', directory]
  const git = program.spawn(args, env)
  git.child.stdin.end()
  response.writeHead(200, { ...noCache, 'content-type': `application/x-${service}-advertisement` })
  if (!isVersion2(env))
    await send(response, Buffer.concat([packet(`# service=${service}\n`), flush]))
  await relay(git, response)
  await finish(git, response)
}

/** Answers a fetch or a clone: packs go through as the client takes them. */
export async function uploadPack(
  program: GitProgram,
  directory: string,
  request: IncomingMessage,
  response: ServerResponse,
  log: Logger,
): Promise<void> {
  const body = bodyOf(request)
  const git = program.spawn(
    ['upload-pack', '--stateless-rpc', '--strict', directory],
    protocolOf(request, 'git-upload-pack'),
  )
  const { child } = git
  const idle = idleTimer(idleMs, () => child.kill('SIGTERM'))
  const onClose = () => child.kill('SIGTERM')
  response.once('close', onClose)
  try {
    response.writeHead(200, { ...noCache, 'content-type': 'application/x-git-upload-pack-result' })
    // git may answer before it has read everything: both directions at once
    await Promise.all([feed(body, git, idle.touch), relay(git, response, idle.touch)])
    const { exitCode, errors } = await finish(git, response)
    if (exitCode !== 0 && !response.destroyed)
      log.warn({ directory, exitCode, errors }, 'git upload-pack failed')
  } finally {
    idle.stop()
    response.off('close', onClose)
    child.kill('SIGTERM')
  }
}

async function feed(
  body: AsyncIterable<Uint8Array>,
  { child }: GitProcess,
  touch: () => void,
): Promise<void> {
  let size = 0
  try {
    for await (const bytes of body) {
      touch()
      size += bytes.length
      if (size > maxRequestBytes) throw new Failure('too_large', 'The request is too large.')
      await write(child.stdin, bytes)
    }
  } catch {
    // a client that went away, or sent what isn't gzip: git sees a request that stops in the middle
    child.kill('SIGTERM')
  }
  child.stdin.end()
}

/** Resolves when the program takes more, or doesn't read any more. */
export function write(stdin: GitProcess['child']['stdin'], bytes: Uint8Array): Promise<void> {
  return new Promise(resolve => {
    stdin.write(bytes, () => resolve())
  })
}

async function relay(
  { child }: GitProcess,
  response: ServerResponse,
  touch: () => void = () => {},
): Promise<void> {
  for await (const bytes of child.stdout) {
    touch()
    await send(response, bytes)
  }
}

async function finish(git: GitProcess, response: ServerResponse) {
  const result = await git.ended
  // an answer that just ended would look whole to the client
  if (result.exitCode !== 0) response.destroy()
  else response.end()
  return result
}

function protocolOf(request: IncomingMessage, service: Service): Record<string, string> {
  const header = String(request.headers['git-protocol'] ?? '')
  if (!/^[a-z0-9=:._-]{1,256}$/i.test(header)) return {}
  // a push has no version 2; one who asks for it gets the answer of version 0
  if (service === 'git-receive-pack' && header.includes('version=2')) return {}
  return { GIT_PROTOCOL: header }
}

function isVersion2(env: Record<string, string>): boolean {
  return env['GIT_PROTOCOL']?.split(':').includes('version=2') ?? false
}
