import type { IncomingMessage } from 'node:http'
import type { Accounts, Actor, Credentials, Namespace, Project, User } from '../accounts/index.ts'
import { Failure } from '../lib/index.ts'

export type Service = 'git-upload-pack' | 'git-receive-pack'

export interface GitRequest {
  /** `pozos/student-list`; undefined for one that can't be a project's. */
  projectPath: string | undefined
  /** `info/refs` has the service in its query. */
  kind: 'advertise' | 'serve'
  service: Service
}

/** What a URL asks of git: undefined when it isn't git's; 'dumb' for a client without the smart protocol. */
export function parseUrl(url: string): GitRequest | 'dumb' | undefined {
  const [path = '', query = ''] = url.split('?', 2)
  const match = /^\/(.+)\/(info\/refs|git-upload-pack|git-receive-pack)$/.exec(path)
  if (match === null) return undefined
  const isMarked = match[1]!.endsWith('.git')
  const service = match[2] === 'info/refs' ? new URLSearchParams(query).get('service') : match[2]
  if (service !== 'git-upload-pack' && service !== 'git-receive-pack')
    return isMarked ? 'dumb' : undefined
  return {
    projectPath: projectPathOf(match[1]!.replace(/\.git$/, '')),
    kind: match[2] === 'info/refs' ? 'advertise' : 'serve',
    service,
  }
}

/** Names as they stand in the URL: nothing is decoded, so there is one spelling of each. */
function projectPathOf(path: string): string | undefined {
  const segments = path.split('/')
  const isPlain = segments.every(one => /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(one))
  return isPlain && segments.length >= 2 && path.length <= 1024 ? path : undefined
}

/** Who asks. Throws `Failure('unauthorized')` for credentials that are wrong. */
export async function actorOf(accounts: Accounts, request: IncomingMessage): Promise<Actor> {
  const credentials = credentialsOf(request.headers.authorization)
  if (credentials === undefined) return { kind: 'anonymous' }
  const actor = await accounts.authenticate(credentials)
  if (actor !== undefined) return actor
  throw new Failure('unauthorized', 'Wrong name, password or token.', {
    hint: 'Give your password, or a token as the password.',
  })
}

function credentialsOf(header: string | undefined): Credentials | undefined {
  const [scheme = '', value = ''] = header?.trim().split(/\s+/, 2) ?? []
  if (/^bearer$/i.test(scheme) && value !== '') return { kind: 'token', token: value }
  if (!/^basic$/i.test(scheme)) return undefined
  const text = Buffer.from(value, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0) return { kind: 'basic', username: text, password: '' }
  return { kind: 'basic', username: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** `project`: it is there and the actor may. `new`: it isn't, and the actor may make it by pushing. */
export type Access =
  | { kind: 'project'; project: Project; actor: Actor }
  | { kind: 'new'; path: string; user: User; actor: Actor }

/**
 * Throws `Failure('unauthorized')` when a name could help, `'not_found'` for what isn't there and what may not be seen alike, `'forbidden'` for a pusher who may
 * only read.
 */
export async function access(
  accounts: Accounts,
  request: GitRequest,
  actor: Actor,
): Promise<Access> {
  const path = request.projectPath
  const project = path === undefined ? undefined : await accounts.project(path)
  if (project === undefined) {
    const user = actor.kind === 'user' ? actor.user : undefined
    const wantsNew = path !== undefined && request.service === 'git-receive-pack'
    if (wantsNew && user !== undefined && (await mayCreate(accounts, actor, path)))
      return { kind: 'new', path, user, actor }
    throw unseen(actor)
  }
  const resource = { kind: 'project' as const, project }
  const mayRead = await accounts.may(actor, 'project:read', resource)
  if (request.service === 'git-upload-pack') {
    if (mayRead) return { kind: 'project', project, actor }
    throw unseen(actor)
  }
  if (await accounts.may(actor, 'project:push', resource))
    return { kind: 'project', project, actor }
  if (!mayRead || actor.kind === 'anonymous') throw unseen(actor)
  throw new Failure('forbidden', `You may read ${project.fullPath}, but not push to it.`, {
    hint: 'Ask a maintainer of the project for the role Developer, or use a token with the scope write_repository.',
  })
}

function unseen(actor: Actor): Failure {
  if (actor.kind === 'anonymous')
    return new Failure(
      'unauthorized',
      'Tell who you are: give your name and password, or a token as the password.',
    )
  return new Failure('not_found', 'There is no such project, or you may not see it.')
}

/** In the nearest namespace that is there; where there is none on the way, whoever may make projects at home may begin a group. */
async function mayCreate(accounts: Accounts, actor: Actor, path: string): Promise<boolean> {
  if (actor.kind !== 'user') return false
  const segments = path.split('/').slice(0, -1)
  let namespace: Namespace | undefined
  for (let depth = segments.length; depth > 0 && namespace === undefined; depth--)
    namespace = await accounts.namespace(segments.slice(0, depth).join('/'))
  namespace ??= await accounts.namespace(actor.user.username)
  if (namespace === undefined) return false
  return accounts.may(actor, 'namespace:create_project', { kind: 'namespace', namespace })
}

/** Makes the project that a push is for; the one that someone else made a moment ago is as good. Throws what `accounts` says to the path. */
export async function createProject(
  accounts: Accounts,
  path: string,
  user: User,
  defaultBranch: string,
): Promise<{ project: Project; created: boolean }> {
  const slash = path.lastIndexOf('/')
  const namespace = await accounts.ensureNamespace(path.slice(0, slash), user)
  try {
    const project = await accounts.createProject({
      namespace,
      path: path.slice(slash + 1),
      visibility: 'private',
      defaultBranch,
      creator: user,
    })
    return { project, created: true }
  } catch (error) {
    if (!(error instanceof Failure && error.code === 'conflict')) throw error
    const project = await accounts.project(path)
    if (project === undefined) throw error
    return { project, created: false }
  }
}
