import type { IncomingMessage, ServerResponse } from 'node:http'
import type { KeyedMutex } from '../lib/index.ts'
import type { Principal, Right } from './access.ts'
import type { RegistryOptions } from './ports.ts'
import type { Tokens } from './tokens.ts'
import type { View } from './views.ts'

/** What every endpoint works with. */
export interface Parts extends RegistryOptions {
  tokens: Tokens
  /** By digest: linking a blob and deleting it take turns. */
  turns: KeyedMutex
}

/** One request and its answer. */
export interface Exchange {
  request: IncomingMessage
  response: ServerResponse
  method: string
  query: URLSearchParams
  view: View
  principal: Principal
  /** Throws the right refusal. */
  require(right: Right, repository: string): Promise<void>
  may(right: Right, repository: string): Promise<boolean>
}

/** The principal's user; only principals with one get as far as pushing. */
export function userIdOf({ principal }: Exchange): number {
  if (principal.kind === 'engine' || principal.actor.kind === 'anonymous') return 0
  return principal.actor.user.id
}

export function jobIdOf({ principal }: Exchange): number | undefined {
  if (principal.kind === 'engine' || principal.actor.kind !== 'job') return undefined
  return principal.actor.jobId
}
