import type { Accounts, Action, Actor, Project, User } from '../../accounts/index.ts'
import type { Apps } from '../../apps/index.ts'
import type { Pipelines } from '../../ci/index.ts'
import type { Git } from '../../git/index.ts'
import type { Clock, Logger, Random } from '../../lib/index.ts'
import type { Logs } from '../../logs/index.ts'
import type { Registry } from '../../registry/index.ts'
import type { Request } from '../http/server.ts'
import type { EventStream, Health, ImageOrigins, Urls } from '../ports.ts'
import { forbidden, notFound, unauthorized } from './errors.ts'

/** The house as the API sees it. */
export interface House {
  accounts: Accounts
  git: Git
  pipelines: Pipelines
  registry: Registry
  apps: Apps
  logs: Logs
  events: EventStream
  origins: ImageOrigins
  /** Key of a job's trace in `logs`. */
  traceKey(jobId: number): string
  health(): Promise<Health>
  version: string
  revision: string
  urls: Urls
  clock: Clock
  random: Random
  log: Logger
}

/** The user who asks; a job has none of its own here. */
export function userOf(request: Request): User {
  const { actor } = request
  if (actor.kind === 'user') return actor.user
  throw unauthorized()
}

export function userIdOf(actor: Actor): number | undefined {
  return actor.kind === 'anonymous' ? undefined : actor.user.id
}

/** `:id` is a number or an URL-encoded path. What one may not read isn't there; what one may only read is forbidden. */
export async function projectFor(
  house: House,
  request: Request,
  id: string,
  action: Action = 'project:read',
): Promise<Project> {
  const project = await house.accounts.project(/^\d+$/.test(id) ? Number(id) : id)
  const resource = project && ({ kind: 'project', project } as const)
  if (!resource || !(await house.accounts.may(request.actor, 'project:read', resource)))
    throw notFound('Project')
  if (action === 'project:read' || (await house.accounts.may(request.actor, action, resource)))
    return resource.project
  throw request.actor.kind === 'anonymous' ? unauthorized() : forbidden()
}
