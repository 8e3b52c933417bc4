import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Accounts } from '../accounts/index.ts'
import { Failure, type FailureCode, type Logger } from '../lib/index.ts'
import { branchesOf, preferred } from './accept-push.ts'
import { type Access, access, actorOf, createProject, type GitRequest, parseUrl } from './access.ts'
import type { GitProgram } from './program.ts'
import { type ReceiveParts, receivePack, type Target } from './receive-pack.ts'
import type { Repositories } from './repositories.ts'
import { createTurnstile } from './turnstile.ts'
import { advertise, uploadPack } from './upload-pack.ts'

export interface HttpParts extends ReceiveParts {
  accounts: Accounts
  program: GitProgram
  repositories: Repositories
  log: Logger
}

/** Each is a git program or two; on a busy machine more would only slow one another. */
const limits = { inside: 48, waiting: 512 }

/** `Git.handle`. */
export function createHandler(parts: HttpParts) {
  const pass = createTurnstile(limits)
  return async (request: IncomingMessage, response: ServerResponse): Promise<boolean> => {
    const asked = parseUrl(request.url ?? '')
    if (asked === undefined) return false
    try {
      if (asked === 'dumb')
        throw new Failure(
          'forbidden',
          'Only the smart HTTP protocol is spoken here: git 1.6.6 or newer.',
        )
      await pass(() => answer(parts, asked, request, response))
    } catch (error) {
      fail(parts.log, request, response, error)
    }
    return true
  }
}

async function answer(
  parts: HttpParts,
  asked: GitRequest,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { accounts, program, repositories, log } = parts
  checkForm(asked, request)
  const actor = await actorOf(accounts, request)
  const found = await access(accounts, asked, actor)
  if (asked.kind === 'serve' && asked.service === 'git-receive-pack') {
    await receivePack(parts, request, response, targetOf(accounts, asked, found))
    return
  }
  const directory = await directoryOf(repositories, found)
  if (asked.kind === 'advertise')
    await advertise(program, directory, asked.service, request, response)
  else await uploadPack(program, directory, request, response, log)
}

/** The default branch may have been changed by the API: HEAD follows here. */
async function directoryOf(repositories: Repositories, found: Access): Promise<string> {
  if (found.kind === 'new') return repositories.empty()
  const { id, defaultBranch } = found.project
  const directory = await repositories.ensure(id, defaultBranch)
  await repositories.setHead(id, defaultBranch)
  return directory
}

function targetOf(accounts: Accounts, asked: GitRequest, found: Access): Target {
  return async updates => {
    if (found.kind === 'project') {
      const { project, actor } = found
      if (actor.kind === 'anonymous') throw new Failure('unauthorized', 'A push needs a user.')
      return { project, user: actor.user, created: false }
    }
    const { path, user, actor } = found
    const branch = preferred(branchesOf(updates), 'main')
    const made = await createProject(accounts, path, user, branch)
    // someone else made it a moment ago: then their rules hold
    if (!made.created) await access(accounts, asked, actor)
    return { ...made, user }
  }
}

function checkForm(asked: GitRequest, request: IncomingMessage): void {
  const method = asked.kind === 'advertise' ? 'GET' : 'POST'
  if (request.method !== method)
    throw new Failure('invalid', `${request.method} is not allowed here.`, {
      details: { status: 405 },
    })
  const type = `application/x-${asked.service}-request`
  if (asked.kind === 'serve' && request.headers['content-type'] !== type)
    throw new Failure('invalid', `The content type must be ${type}.`, { details: { status: 415 } })
}

const statuses: Readonly<Record<FailureCode, number>> = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  unavailable: 503,
  internal: 500,
}

/** git shows a short plain text to its user as `remote: …`. */
function fail(
  log: Logger,
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
): void {
  const failure = error instanceof Failure ? error : undefined
  if (failure === undefined || failure.code === 'internal')
    log.error(
      { error, method: request.method, path: request.url?.split('?')[0] },
      'git request failed',
    )
  if (response.headersSent) {
    response.destroy()
    return
  }
  const status = Number(failure?.details?.['status'] ?? statuses[failure?.code ?? 'internal'])
  const text = failure === undefined ? 'Internal error; see the log of Slipway.' : failure.message
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    ...(status === 401 ? { 'www-authenticate': 'Basic realm="Slipway", charset="UTF-8"' } : {}),
    // what the client still sends isn't read
    ...(request.complete ? {} : { connection: 'close' }),
  })
  response.end([text, ...(failure?.hint === undefined ? [] : [failure.hint]), ''].join('\n'))
}
