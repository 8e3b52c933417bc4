import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type Access,
  actorOf,
  type Grant,
  isAllowed,
  type Principal,
  type Right,
  rights,
} from './access.ts'
import { type BasicCredentials, basicOf, byBasic, wrongCredentials } from './authenticate.ts'
import { RegistryError } from './errors.ts'
import { readBody, sendJson } from './http.ts'
import { checkName } from './names.ts'
import { type Tokens, tokenLifetimeSeconds } from './tokens.ts'
import { storedName, type View } from './views.ts'

type Parts = Access & { tokens: Tokens; clock: { now(): number } }

const maxScopes = 20

/**
 * `GET /jwt/auth?service=…&scope=…` (Docker's token specification), and its POST form with `grant_type=password`
 * (containerd). What is asked for and may not be is left out of the token; that is no error.
 */
export async function serveToken(
  parts: Parts,
  request: IncomingMessage,
  response: ServerResponse,
  view: View,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'POST')
    throw new RegistryError('UNSUPPORTED', 'use GET or POST', { headers: { allow: 'GET, POST' } })
  const parameters = await parametersOf(request)
  const credentials = credentialsOf(request, parameters, view)
  const principal = await principalBehind(parts, credentials, view)
  const scopes = parameters.getAll('scope').flatMap(scope => scope.split(' '))
  const grants = await grantsFor(parts, principal, scopes.slice(0, maxScopes), view)
  const token =
    principal.kind === 'engine'
      ? await parts.tokens.issueForEngine(principal.repository)
      : await parts.tokens.issue(actorOf(principal), credentials, grants)
  sendJson(response, 200, {
    token,
    access_token: token,
    expires_in: tokenLifetimeSeconds,
    issued_at: new Date(parts.clock.now()).toISOString(),
    ...(request.method === 'POST' && { scope: scopes.join(' ') }),
  })
}

async function parametersOf(request: IncomingMessage): Promise<URLSearchParams> {
  if (request.method === 'POST')
    return new URLSearchParams((await readBody(request, 64 * 1024)).toString())
  return new URL(request.url ?? '/', 'http://localhost').searchParams
}

function credentialsOf(
  request: IncomingMessage,
  parameters: URLSearchParams,
  view: View,
): BasicCredentials | undefined {
  if (request.method === 'POST') {
    if (parameters.get('grant_type') !== 'password')
      throw new RegistryError('UNSUPPORTED', 'grant_type must be password')
    const username = parameters.get('username') ?? ''
    return { kind: 'basic', username, password: parameters.get('password') ?? '' }
  }
  if (request.headers.authorization === undefined) return undefined
  const basic = basicOf(request)
  if (basic === undefined) throw wrongCredentials(view)
  return basic
}

async function principalBehind(
  parts: Parts,
  credentials: BasicCredentials | undefined,
  view: View,
): Promise<Principal> {
  if (credentials === undefined) return { kind: 'actor', actor: { kind: 'anonymous' } }
  const principal = await byBasic(parts, credentials)
  if (principal === undefined) throw wrongCredentials(view)
  return principal
}

async function grantsFor(
  parts: Parts,
  principal: Principal,
  scopes: readonly string[],
  view: View,
): Promise<Grant[]> {
  const grants: Grant[] = []
  for (const scope of scopes) {
    const asked = parseScope(scope)
    if (asked === undefined) continue
    const repository = storedName(view, asked.name)
    const actions: Right[] = []
    for (const right of rights)
      if (asked.actions.has(right) && (await mayHave(parts, principal, right, repository)))
        actions.push(right)
    if (actions.length > 0) grants.push({ repository, actions })
  }
  return grants
}

/** A scope with an impossible name gives nothing. */
async function mayHave(
  parts: Parts,
  principal: Principal,
  right: Right,
  repository: string,
): Promise<boolean> {
  try {
    checkName(repository)
    return await isAllowed(parts, principal, right, repository)
  } catch (error) {
    if (error instanceof RegistryError) return false
    throw error
  }
}

/** `repository:a/b:pull,push`, `repository(class):…`; `*` stands for every action. The name may hold a port's colon. */
function parseScope(scope: string): { name: string; actions: Set<string> } | undefined {
  const match = /^repository(?:\([a-z]+\))?:(.+):([a-z*,]+)$/.exec(scope)
  const name = match?.[1]
  const list = match?.[2]
  if (name === undefined || list === undefined) return undefined
  return { name, actions: new Set(list === '*' ? rights : list.split(',')) }
}
