import type { Action, User } from '../../accounts/index.ts'
import type { App, By } from '../../apps/index.ts'
import { Failure } from '../../lib/index.ts'
import type { House } from '../gitlab/context.ts'
import type { Request } from '../http/server.ts'
import { notFound } from './errors.ts'

export type { House }

/** The user who asks. Throws when nobody, or a job's own token, does. */
export function userOf(request: Request): User {
  if (request.actor.kind === 'user') return request.actor.user
  throw new Failure(
    'unauthorized',
    'There were no credentials in your `Authorization` header. Try `Authorization: Bearer <OAuth access token>`.',
  )
}

/** By name or UUID. What one may not read isn't there. */
export async function appFor(
  house: House,
  request: Request,
  nameOrId: string,
  action: Action = 'app:read',
): Promise<App> {
  const app = await house.apps.find(nameOrId)
  if (app === undefined) throw notFound('app')
  const resource = {
    kind: 'app',
    ownerId: app.ownerId,
    collaboratorIds: await house.apps.collaborators(app.id),
  } as const
  if (!(await house.accounts.may(request.actor, 'app:read', resource))) throw notFound('app')
  if (action === 'app:read' || (await house.accounts.may(request.actor, action, resource)))
    return app
  throw new Failure('forbidden', `You do not have access to the app ${app.name}.`)
}

export async function byOf(request: Request, origin?: By['origin']): Promise<By> {
  return { user: userOf(request), ...(origin && { origin }) }
}
