import type { Actor, Resource } from '../accounts/index.ts'
import { RegistryError } from './errors.ts'
import { kindOf } from './names.ts'
import type { RegistryOptions } from './ports.ts'
import { shownName, type View } from './views.ts'

export type Right = 'pull' | 'push' | 'delete'
export const rights: readonly Right[] = ['pull', 'push', 'delete']

export interface Grant {
  repository: string
  actions: readonly Right[]
}

/** Who sent the request. */
export type Principal =
  /** Said so with each request. */
  | { kind: 'actor'; actor: Actor }
  /** Holds a token of ours: may do what the token says, as far as the actor still may. */
  | { kind: 'token'; actor: Actor; grants: readonly Grant[] }
  /** Our own engine, which pulls one repository. */
  | { kind: 'engine'; repository: string }

export type Access = Pick<RegistryOptions, 'accounts' | 'appFor'>

export function actorOf(principal: Principal): Actor {
  return principal.kind === 'engine' ? { kind: 'anonymous' } : principal.actor
}

/** Whether the principal may, by what it holds and by what its actor may. */
export async function isAllowed(
  access: Access,
  principal: Principal,
  right: Right,
  repository: string,
): Promise<boolean> {
  if (principal.kind === 'engine') return right === 'pull' && principal.repository === repository
  if (principal.kind === 'token' && !holds(principal.grants, right, repository)) return false
  return await mayActor(access, principal.actor, right, repository)
}

function holds(grants: readonly Grant[], right: Right, repository: string): boolean {
  return grants.some(grant => grant.repository === repository && grant.actions.includes(right))
}

export async function mayActor(
  access: Access,
  actor: Actor,
  right: Right,
  repository: string,
): Promise<boolean> {
  const resource = await resourceOf(access, repository)
  return resource !== undefined && (await access.accounts.may(actor, `registry:${right}`, resource))
}

/** What decides about a repository; undefined when there is no such app or project. */
export async function resourceOf(
  access: Access,
  repository: string,
): Promise<Resource | undefined> {
  const kind = kindOf(repository)
  if (kind.kind === 'mirror') return { kind: 'mirror' }
  if (kind.kind === 'app') {
    const app = await access.appFor(kind.app)
    return app && { kind: 'app', ...app }
  }
  // The longest prefix that is a project: `a/b/c` may belong to the project `a/b`.
  const parts = kind.path.split('/')
  for (let length = parts.length; length >= 2; length--) {
    const project = await access.accounts.project(parts.slice(0, length).join('/'))
    if (project !== undefined) return { kind: 'project', project }
  }
  return undefined
}

/** Throws the answer for someone who may not: the same whether the repository exists or not. */
export async function authorize(
  access: Access,
  principal: Principal,
  right: Right,
  repository: string,
  view: View,
): Promise<void> {
  if (await isAllowed(access, principal, right, repository)) return
  const shown = shownName(view, repository)
  const scope = `repository:${shown}:${right === 'push' ? 'pull,push' : right}`
  const actor = actorOf(principal)
  if (actor.kind === 'anonymous' && principal.kind !== 'engine')
    throw new RegistryError('UNAUTHORIZED', `log in to ${right} ${shown}`, {
      headers: challengeHeader(view, scope),
    })
  // A token for other repositories: a new one will do.
  if (principal.kind === 'token' && (await mayActor(access, actor, right, repository)))
    throw new RegistryError('UNAUTHORIZED', `this token isn't for ${shown}`, {
      headers: challengeHeader(view, scope, 'insufficient_scope'),
    })
  throw new RegistryError('DENIED', denial(right, repository, shown))
}

function denial(right: Right, repository: string, shown: string): string {
  const kind = kindOf(repository)
  if (kind.kind === 'mirror') return `only administrators ${right} images of ${kind.upstream} here`
  if (kind.kind === 'app')
    return `the app ${kind.app} doesn't exist or you may not ${right} its images: create it with \`heroku apps:create ${kind.app}\`, or ask its owner to add you as a collaborator`
  return `the project of ${shown} doesn't exist or you may not ${right} its images: create it by pushing its git repository, or ask for a role in it`
}

/** How to log in, as a header. */
export function challengeHeader(
  view: View,
  scope?: string,
  error?: 'insufficient_scope' | 'invalid_token',
): Record<string, string> {
  if (view.challenge === 'basic' && error === undefined)
    return { 'www-authenticate': 'Basic realm="Slipway"' }
  const parts = [`realm="${view.origin}/jwt/auth"`, `service="${serviceName}"`]
  if (scope !== undefined) parts.push(`scope="${scope}"`)
  if (error !== undefined) parts.push(`error="${error}"`)
  return { 'www-authenticate': `Bearer ${parts.join(',')}` }
}

/** GitLab's word, so that clients made for it find what they expect. */
export const serviceName = 'container_registry'
