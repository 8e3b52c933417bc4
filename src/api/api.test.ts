import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Accounts, createAccounts, type Scope, type User } from '../accounts/index.ts'
import { type Apps, createApps } from '../apps/index.ts'
import { createMemoryAppends } from '../blobs/index.ts'
import { createPipelines, type Pipelines } from '../ci/index.ts'
import { createMemoryEngine } from '../engine/memory/index.ts'
import { createEvents } from '../events.ts'
import { createGit, type Git } from '../git/index.ts'
import { systemClock as clock, silentLogger as log, systemRandom as random } from '../lib/index.ts'
import { createLogs, type Logs } from '../logs/index.ts'
import { openStore } from '../store/index.ts'
import { type Api, createApi } from './index.ts'

/** The real modules on memory adapters; one house for the file, a user or two for each test. */
let accounts: Accounts
let apps: Apps
let git: Git
let logs: Logs
let pipelines: Pipelines
let events: ReturnType<typeof createEvents>
let api: Api
let url: string
const closers: (() => Promise<unknown> | unknown)[] = []

beforeAll(async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'slipway-api-'))
  const store = await openStore(':memory:')
  const hashing = {
    hash: async (password: string) => `hash:${password}`,
    verify: async (hash: string, password: string) => hash === `hash:${password}`,
  }
  accounts = createAccounts({ store: store.accounts, clock, random, hashing })
  await accounts.bootstrap({
    password: 'password of root',
    token: 'root-token',
    email: 'r@localhost',
  })
  logs = createLogs({ store: createMemoryAppends() })
  events = createEvents(clock)
  git = createGit({ directory, accounts, store: store.git, clock, log, onPush: async () => [] })
  pipelines = createPipelines({
    store: store.ci,
    sources: {} as never,
    traces: {} as never,
    artifacts: {} as never,
    accounts,
    emit() {},
    urls: { external: 'http://x', internal: 'http://x', registry: 'x' },
    ...{ clock, random, logger: log, version: '1' },
  })
  apps = createApps({
    ...{ store: store.apps, engine: createMemoryEngine(), logs, clock, random, log },
    images: { resolve: async () => undefined, pull: async () => '' },
    traffic: { accepts: async () => true, drained: async () => {} },
    emit() {},
    instanceId: 'test',
    users: accounts,
  } as Parameters<typeof createApps>[0])
  api = await createApi({
    ...{ accounts, git, pipelines, apps, logs, events, clock, random, log },
    registry: {} as never,
    origins: { originOf: async () => undefined },
    traceKey: jobId => `traces/${jobId}`,
    health: async () => ({ ok: true, checks: {} }),
    version: '18.0.0',
    revision: 'test',
    urls: { external: 'http://x', app: name => `http://${name}.x`, registryHost: 'x' },
  })
  const server = createServer((request, response) => {
    if (!api.handle(request, response)) response.writeHead(418).end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  closers.push(
    () => server.closeAllConnections(),
    () => new Promise(resolve => server.close(resolve)),
    () => api.close(),
    () => git.close(),
    () => store.close(),
    () => rmSync(directory, { recursive: true, force: true }),
  )
})

afterAll(async () => {
  for (const close of closers) await close()
})

let count = 0
async function newUser(...scopes: Scope[]): Promise<{ user: User; token: string }> {
  const username = `user-${++count}`
  const email = `${username}@example.com`
  const user = await accounts.createUser({
    username,
    name: username,
    email,
    password: 'a password',
  })
  const { token } = await accounts.createToken({
    userId: user.id,
    name: 'test',
    scopes: scopes.length > 0 ? scopes : ['api'],
  })
  return { user, token }
}

interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: JSON as it comes over the wire
  body: any
}

async function call(method: string, to: string, headers: Record<string, string>, body?: unknown) {
  const response = await fetch(url + to, {
    method,
    headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json')
  const answer: Answer = {
    status: response.status,
    headers: response.headers,
    body: isJson ? JSON.parse(text) : text,
  }
  return answer
}

const gitlab = (token: string | undefined, method: string, to: string, body?: unknown) =>
  call(method, `/api/v4${to}`, token === undefined ? {} : { 'private-token': token }, body)

const heroku = (
  token: string | undefined,
  method: string,
  to: string,
  body?: unknown,
  headers: Record<string, string> = {},
) =>
  call(
    method,
    to,
    {
      accept: 'application/vnd.heroku+json; version=3',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body,
  )

test('what is neither dialect is left to the next', async () => {
  expect((await call('GET', '/some/project', {})).status).toBe(418)
})

test('version wants a user, and says it in words that clients know', async () => {
  expect((await gitlab('root-token', 'GET', '/version')).body).toEqual({
    version: '18.0.0',
    revision: 'test',
  })
  expect(await gitlab(undefined, 'GET', '/version')).toMatchObject({
    status: 401,
    body: { message: '401 Unauthorized' },
  })
  expect((await gitlab('wrong', 'GET', '/projects')).status).toBe(401)
  expect((await gitlab('root-token', 'GET', '/nothing-here')).body).toEqual({
    error: '404 Not Found',
  })
})

test('a project is made, found by number and by path, listed in pages, changed and deleted', async () => {
  const { token, user } = await newUser()
  const made = await gitlab(token, 'POST', '/projects', { name: 'Student List' })
  expect(made).toMatchObject({
    status: 201,
    body: {
      path_with_namespace: `${user.username}/student-list`,
      visibility: 'private',
      empty_repo: true,
      permissions: { project_access: { access_level: 50 } },
    },
  })
  const encoded = encodeURIComponent(made.body.path_with_namespace)
  for (const spelling of [
    `/projects/${made.body.id}`,
    `/projects/${encoded}`,
    `/%70rojects/${encoded}/`,
  ])
    expect((await gitlab(token, 'GET', spelling)).body.id).toBe(made.body.id)
  expect(await gitlab(token, 'POST', '/projects', { name: 'Student List' })).toMatchObject({
    status: 400,
    body: { message: { path: ['has already been taken'] } },
  })
  await gitlab(token, 'POST', '/projects', { path: 'second' })
  const page = await gitlab(token, 'GET', '/projects?owned=true&per_page=1&order_by=id&sort=asc')
  expect(page.body.map((one: { path: string }) => one.path)).toEqual(['student-list'])
  expect(page.headers.get('x-total')).toBe('2')
  expect(page.headers.get('x-next-page')).toBe('2')
  expect(page.headers.get('link')).toContain('page=2')
  expect(page.headers.get('link')).toContain('rel="next"')
  const changed = await gitlab(token, 'PUT', `/projects/${encoded}`, { description: 'new' })
  expect(changed.body.description).toBe('new')
  expect((await gitlab(token, 'DELETE', `/projects/${encoded}`)).status).toBe(202)
  expect(await gitlab(token, 'GET', `/projects/${encoded}`)).toMatchObject({
    status: 404,
    body: { message: '404 Project Not Found' },
  })
})

test('a stranger finds nothing of a private project, on any of its routes and spellings', async () => {
  const [owner, stranger] = [await newUser(), await newUser()]
  const { body: project } = await gitlab(owner.token, 'POST', '/projects', { path: 'secret' })
  const routes = [
    '',
    '/repository/branches',
    '/repository/%63ommits',
    '/repository//commits/',
    '/repository/tree',
    '/repository/files/README.md/raw',
    '/variables',
    '/variables/KEY',
    '/pipelines',
    '/pipelines/1',
    '/jobs',
    '/jobs/1/trace',
    '/jobs/1/trace/stream',
    '/members',
  ]
  for (const route of routes) {
    const to = `/projects/${project.id}${route}`
    expect([route, (await gitlab(stranger.token, 'GET', to)).status]).toEqual([route, 404])
    expect([401, 404]).toContain((await gitlab(undefined, 'GET', to)).status)
  }
})

test('a reporter reads, and may not write', async () => {
  const [owner, reporter] = [await newUser(), await newUser()]
  const { body: project } = await gitlab(owner.token, 'POST', '/projects', { path: 'shared' })
  const members = `/projects/${project.id}/members`
  const wanted = { user_id: reporter.user.id, access_level: 20 }
  expect((await gitlab(owner.token, 'POST', members, wanted)).status).toBe(201)
  expect((await gitlab(owner.token, 'POST', members, wanted)).status).toBe(409)
  expect((await gitlab(reporter.token, 'GET', `/projects/${project.id}`)).status).toBe(200)
  for (const [method, to] of [
    ['GET', '/variables'],
    ['POST', '/variables'],
    ['POST', '/pipeline'],
    ['DELETE', ''],
  ] as const) {
    const body = method === 'POST' ? { key: 'K', value: 'v', ref: 'main' } : undefined
    const answer = await gitlab(reporter.token, method, `/projects/${project.id}${to}`, body)
    expect([method, to, answer.status]).toEqual([method, to, 403])
  }
  const up = { access_level: 50 }
  expect((await gitlab(reporter.token, 'PUT', `${members}/${reporter.user.id}`, up)).status).toBe(
    403,
  )
})

test('variables are made, kept apart by scope, changed and deleted', async () => {
  const { token } = await newUser()
  const { body: project } = await gitlab(token, 'POST', '/projects', { path: 'vars' })
  const to = `/projects/${project.id}/variables`
  const key = { key: 'HEROKU_API_KEY', value: 'abcdefgh12345678', masked: true }
  expect(await gitlab(token, 'POST', to, key)).toMatchObject({
    status: 201,
    body: { ...key, environment_scope: '*', variable_type: 'env_var', protected: false },
  })
  expect((await gitlab(token, 'POST', to, key)).body.message).toEqual({
    key: ['(HEROKU_API_KEY) has already been taken'],
  })
  const production = { ...key, value: 'production-key-1', environment_scope: 'production' }
  expect((await gitlab(token, 'POST', to, production)).status).toBe(201)
  expect((await gitlab(token, 'GET', `${to}/HEROKU_API_KEY`)).status).toBe(409)
  const filter = '?filter[environment_scope]=production'
  const one = await gitlab(token, 'GET', `${to}/HEROKU_API_KEY${filter}`)
  expect(one.body.value).toBe('production-key-1')
  const changed = await gitlab(token, 'PUT', `${to}/HEROKU_API_KEY${filter}`, { protected: true })
  expect(changed.body).toMatchObject({ protected: true, value: 'production-key-1' })
  expect((await gitlab(token, 'DELETE', `${to}/HEROKU_API_KEY${filter}`)).status).toBe(204)
  expect((await gitlab(token, 'GET', to)).body).toHaveLength(1)
  const bad = await gitlab(token, 'POST', to, { key: 'no spaces', value: 'x' })
  expect(bad.status).toBe(400)
  expect((await gitlab(token, 'POST', to, { key: 'K' })).body).toEqual({
    error: 'value is missing',
  })
})

test('a form is as good as JSON', async () => {
  const { token } = await newUser()
  const { body: project } = await gitlab(token, 'POST', '/projects', { path: 'forms' })
  const form = new FormData()
  form.set('key', 'MULTIPART')
  form.set('value', 'a b')
  for (const body of [new URLSearchParams({ key: 'FORM', value: 'a b' }), form]) {
    const response = await fetch(`${url}/api/v4/projects/${project.id}/variables`, {
      method: 'POST',
      headers: { 'private-token': token },
      body,
    })
    expect([response.status, ((await response.json()) as { value: string }).value]).toEqual([
      201,
      'a b',
    ])
  }
})

test('tokens reach as far as their scopes', async () => {
  const reader = await newUser('read_api')
  expect((await gitlab(reader.token, 'GET', '/projects')).status).toBe(200)
  expect(await gitlab(reader.token, 'POST', '/projects', { path: 'x' })).toMatchObject({
    status: 403,
    body: { error: 'insufficient_scope' },
  })
  const key = await newUser('global')
  expect((await gitlab(key.token, 'GET', '/projects')).status).toBe(403)
  expect((await heroku(key.token, 'GET', '/account')).body.email).toBe(key.user.email)
  const git = await newUser('write_repository')
  expect((await heroku(git.token, 'GET', '/account')).status).toBe(403)
})

test("a job's token opens neither API", async () => {
  const { user, token } = await newUser()
  const { body: project } = await gitlab(token, 'POST', '/projects', { path: 'jobs' })
  const job = await accounts.issueJobToken({ jobId: 900, projectId: project.id, userId: user.id })
  for (const name of ['job-token', 'private-token']) {
    const headers = { [name]: job }
    expect((await call('GET', `/api/v4/projects/${project.id}`, headers)).status).toBe(401)
    expect((await call('POST', '/api/v4/projects', headers, { path: 'x' })).status).toBe(401)
  }
  expect((await heroku(job, 'GET', '/apps')).status).toBe(401)
  expect((await call('GET', '/api/v4/user', { 'job-token': token })).status).toBe(401)
})

test('a session is set for this site only, and nothing is changed from another one', async () => {
  const { user } = await newUser()
  const own = { 'x-requested-with': 'console' }
  const credentials = { login: user.username, password: 'a password' }
  expect((await call('POST', '/api/v4/session', {}, credentials)).status).toBe(403)
  const wrong = { ...credentials, password: 'wrong password' }
  expect((await call('POST', '/api/v4/session', own, wrong)).status).toBe(401)
  const signedIn = await call('POST', '/api/v4/session', own, credentials)
  expect(signedIn).toMatchObject({ status: 201, body: { username: user.username } })
  const set = signedIn.headers.get('set-cookie') ?? ''
  expect(set).toContain('HttpOnly')
  expect(set).toContain('SameSite=Strict')
  const cookie = set.split(';')[0]!
  expect((await call('GET', '/api/v4/user', { cookie })).status).toBe(200)
  const make = (headers: Record<string, string>) =>
    call('POST', '/api/v4/projects', { cookie, ...headers }, { path: `p${++count}` })
  expect((await make({})).status).toBe(403)
  expect((await make({ ...own, origin: 'https://evil.example' })).status).toBe(403)
  expect((await make({ ...own, 'sec-fetch-site': 'cross-site' })).status).toBe(403)
  expect((await make({ ...own, origin: url })).status).toBe(201)
  const forged = { cookie, accept: 'application/vnd.heroku+json; version=3' }
  expect((await call('POST', '/apps', forged, {})).status).toBe(403)
  expect((await call('DELETE', '/api/v4/session', { cookie, ...own })).status).toBe(204)
  expect((await call('GET', '/api/v4/user', { cookie })).status).toBe(401)
})

test('live events come as they happen, resume, and show only what one may see', async () => {
  const [owner, stranger] = [await newUser(), await newUser()]
  const { body: project } = await gitlab(owner.token, 'POST', '/projects', { path: 'live' })
  const follow = async (token: string, last?: string) => {
    const response = await fetch(`${url}/api/v4/events`, {
      headers: {
        accept: 'text/event-stream',
        'private-token': token,
        ...(last !== undefined && { 'last-event-id': last }),
      },
    })
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    return reader(response)
  }
  const mine = await follow(owner.token)
  const theirs = await follow(stranger.token)
  await mine.until('still here')
  await theirs.until('still here')
  const { body: open } = await gitlab(owner.token, 'POST', '/projects', {
    path: 'open',
    visibility: 'public',
  })
  events.publish({ type: 'pipeline', projectId: project.id, data: { pipelineId: 1 } })
  events.publish({ type: 'pipeline', projectId: open.id, data: { pipelineId: 2 } })
  const seen = await mine.until(`"pipelineId":2`)
  expect(seen).toContain('event: pipeline')
  expect(seen).toContain('"pipelineId":1')
  expect(await theirs.until(`"pipelineId":2`)).not.toContain('"pipelineId":1')
  const id = /id: (\d+)\nevent: pipeline\ndata: \{"pipelineId":1/.exec(seen)?.[1]
  await mine.close()
  const again = await follow(owner.token, id)
  const rest = await again.until(`"pipelineId":2`)
  expect(rest).not.toContain('"pipelineId":1')
  await Promise.all([again.close(), theirs.close()])
})

async function reader(response: Response) {
  const stream = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return {
    async until(wanted: string): Promise<string> {
      while (!text.includes(wanted)) {
        const { value, done } = await stream.read()
        if (done) throw new Error(`ended without ${wanted}: ${text}`)
        text += value
      }
      return text
    },
    close: () => stream.cancel(),
  }
}

test('an app is made, found by name and id, renamed and destroyed', async () => {
  const { token, user } = await newUser('global')
  const made = await heroku(token, 'POST', '/apps', { name: 'student-list-a' })
  expect(made).toMatchObject({
    status: 201,
    body: {
      name: 'student-list-a',
      owner: { id: user.uuid, email: user.email },
      stack: { name: 'container' },
      web_url: 'http://student-list-a.x/',
      create_status: 'complete',
    },
  })
  for (const key of ['student-list-a', made.body.id])
    expect((await heroku(token, 'GET', `/apps/${key}`)).body.id).toBe(made.body.id)
  expect(await heroku(token, 'POST', '/apps', { name: 'student-list-a' })).toMatchObject({
    status: 422,
    body: { id: 'invalid_params' },
  })
  expect((await heroku(token, 'POST', '/apps')).status).toBe(201)
  expect((await heroku(token, 'POST', '/apps', { name: 'Bad Name' })).body.id).toBe(
    'invalid_params',
  )
  const renamed = await heroku(token, 'PATCH', '/apps/student-list-a', { name: 'student-list-b' })
  expect(renamed.body.name).toBe('student-list-b')
  expect((await heroku(token, 'DELETE', '/apps/student-list-b')).status).toBe(200)
  expect(await heroku(token, 'GET', '/apps/student-list-b')).toMatchObject({
    status: 404,
    body: { id: 'not_found', resource: 'app', message: "Couldn't find that app." },
  })
})

test('config vars make releases, which are listed in ranges, newest first, and rolled back to', async () => {
  const { token } = await newUser('global')
  await heroku(token, 'POST', '/apps', { name: 'config-app' })
  const to = '/apps/config-app'
  for (const value of ['1', '2', '3'])
    await heroku(token, 'PATCH', `${to}/config-vars`, { VALUE: value })
  await heroku(token, 'PATCH', `${to}/config-vars`, { VALUE: 'a\n"b"=$(c)', OTHER: 'x' })
  const vars = await heroku(token, 'PATCH', `${to}/config-vars`, { OTHER: null })
  expect(vars.body).toMatchObject({ VALUE: 'a\n"b"=$(c)' })
  expect(vars.body).not.toHaveProperty('OTHER')
  const newest = await heroku(token, 'GET', `${to}/releases`, undefined, {
    range: 'version ..; max=2, order=desc',
  })
  expect(newest.status).toBe(206)
  const [last, before] = newest.body
  expect(last.version).toBe(before.version + 1)
  expect(last).toMatchObject({ current: true, description: 'Remove OTHER config vars' })
  const all: number[] = []
  let range: string | undefined = 'version ..; max=2, order=desc'
  while (range !== undefined) {
    const page: Answer = await heroku(token, 'GET', `${to}/releases`, undefined, { range })
    all.push(...page.body.map((one: { version: number }) => one.version))
    range = page.headers.get('next-range') ?? undefined
  }
  expect(all).toEqual(Array.from({ length: last.version }, (_, index) => last.version - index))
  const old = await heroku(token, 'GET', `${to}/releases/${before.version}/config-vars`)
  expect(old.body).toMatchObject({ OTHER: 'x' })
  expect((await heroku(token, 'GET', `${to}/releases/999`)).body.resource).toBe('release')
})

test('what `apps:info` and `ps` ask for is there', async () => {
  const { token } = await newUser('global')
  await heroku(token, 'POST', '/apps', { name: 'info-app' })
  for (const list of ['addons', 'dynos', 'formation', 'log-drains', 'features'])
    expect((await heroku(token, 'GET', `/apps/info-app/${list}`)).body).toEqual([])
  expect((await heroku(token, 'GET', '/apps/info-app/pipeline-couplings')).status).toBe(404)
  expect((await heroku(token, 'GET', '/apps/info-app/domains')).body).toMatchObject([
    { kind: 'heroku', hostname: 'info-app.x' },
  ])
  expect((await heroku(token, 'GET', '/apps/info-app/collaborators')).body).toHaveLength(1)
  expect((await heroku(token, 'DELETE', '/apps/info-app/dynos')).status).toBe(202)
  const scale = { updates: [{ type: 'worker', quantity: '2' }] }
  expect((await heroku(token, 'PATCH', '/apps/info-app/formation', scale)).status).toBe(404)
  const image = { updates: [{ type: 'web', docker_image: `sha256:${'0'.repeat(64)}` }] }
  expect([404, 422]).toContain(
    (await heroku(token, 'PATCH', '/apps/info-app/formation', image)).status,
  )
})

test('tenants are walls: an app of another is not there, on any route', async () => {
  const [owner, stranger] = [await newUser('global'), await newUser('global')]
  const { body: app } = await heroku(owner.token, 'POST', '/apps', { name: 'tenant-app' })
  const routes: [string, string, unknown?][] = [
    ['GET', ''],
    ['PATCH', '', { maintenance: true }],
    ['DELETE', ''],
    ['GET', '/config-vars'],
    ['PATCH', '/config-vars', { A: 'b' }],
    ['GET', '/formation'],
    ['PATCH', '/formation', { updates: [{ type: 'web', quantity: 1 }] }],
    ['GET', '/releases'],
    ['GET', '/releases/1'],
    ['GET', '/releases/1/config-vars'],
    ['POST', '/releases', { release: '1' }],
    ['GET', '/dynos'],
    ['DELETE', '/dynos'],
    ['POST', '/log-sessions', {}],
    ['GET', '/collaborators'],
    ['POST', '/collaborators', { user: stranger.user.email }],
    ['GET', '/domains'],
    ['GET', '/addons'],
  ]
  for (const key of [app.name, app.id])
    for (const [method, route, body] of routes) {
      const answer = await heroku(stranger.token, method, `/apps/${key}${route}`, body)
      expect([method, route, answer.status]).toEqual([method, route, 404])
      const nobody = await heroku(undefined, method, `/apps/${key}${route}`, body)
      expect([method, route, nobody.status]).toEqual([method, route, 401])
    }
  expect((await heroku(stranger.token, 'GET', '/apps')).body).toEqual([])
  const invited = { user: stranger.user.email }
  await heroku(owner.token, 'POST', '/apps/tenant-app/collaborators', invited)
  expect((await heroku(stranger.token, 'GET', '/apps/tenant-app')).status).toBe(200)
  expect((await heroku(stranger.token, 'DELETE', '/apps/tenant-app')).status).toBe(403)
})

test('log sessions open by their address alone, which cannot be forged', async () => {
  const { token } = await newUser('global')
  const { body: app } = await heroku(token, 'POST', '/apps', { name: 'log-app' })
  await apps.log(app.id, 'app', 'web.1', 'hello from web')
  await apps.log(app.id, 'heroku', 'router', 'at=info')
  const session = { lines: 100, tail: false, dyno: 'web' }
  const made = await heroku(token, 'POST', '/apps/log-app/log-sessions', session)
  expect(made.status).toBe(201)
  const address: string = made.body.logplex_url
  const plain = await fetch(address)
  expect(plain.headers.get('content-type')).toContain('text/plain')
  const text = await plain.text()
  expect(text).toMatch(/^\S+\+00:00 app\[web\.1\]: hello from web\n$/)
  const stream = await fetch(address, { headers: { accept: 'text/event-stream' } })
  expect(stream.headers.get('content-type')).toContain('text/event-stream')
  expect(await stream.text()).toMatch(/id: \d+\ndata: \S+ app\[web\.1\]: hello from web\n\n/)
  const forged = address.replace(
    /log-sessions\/(.)/,
    (_, one) => `log-sessions/${one === 'e' ? 'f' : 'e'}`,
  )
  expect((await fetch(forged)).status).toBe(404)
  expect((await fetch(address.replace(/\.[\w-]+\?/, '.?'))).status).toBe(404)

  const tail = await heroku(token, 'POST', '/apps/log-app/log-sessions', { lines: 0, tail: true })
  const live = await reader(await fetch(tail.body.logplex_url))
  await apps.log(app.id, 'app', 'web.1', 'a line that came later')
  expect(await live.until('later')).not.toContain('hello')
  await live.close()
})

test('API keys are made with a password, told once, and revoked', async () => {
  const { user } = await newUser()
  const basic = `Basic ${Buffer.from(`${user.email}:a password`).toString('base64')}`
  const headers = { authorization: basic, accept: 'application/vnd.heroku+json; version=3' }
  const body = { description: 'laptop', expires_in: 60, scope: ['global'] }
  const made = await call('POST', '/oauth/authorizations', headers, body)
  expect(made.status).toBe(201)
  const key: string = made.body.access_token.token
  expect((await heroku(key, 'GET', '/account')).body.id).toBe(user.uuid)
  const list = await heroku(key, 'GET', '/oauth/authorizations')
  expect(JSON.stringify(list.body)).not.toContain(key)
  const wrong = `Basic ${Buffer.from(`${user.email}:wrong`).toString('base64')}`
  const refused = await call('GET', '/account', { ...headers, authorization: wrong })
  expect(refused).toMatchObject({ status: 401, body: { id: 'unauthorized' } })
  await heroku(key, 'DELETE', `/oauth/authorizations/${made.body.id}`)
  expect((await heroku(key, 'GET', '/account')).status).toBe(401)
})

test('the description of the API is OpenAPI and names what is there', async () => {
  const { body } = await call('GET', '/api/openapi.json', {})
  expect(body.openapi).toMatch(/^3\./)
  expect(Object.keys(body.paths)).toContain('/api/v4/projects/{id}/jobs/{job_id}/trace')
})

test('big and broken bodies are refused with a reason', async () => {
  const { token } = await newUser()
  const big = await gitlab(token, 'POST', '/projects', { name: 'x'.repeat(2_000_000) })
  expect(big.status).toBe(413)
  const broken = await fetch(`${url}/api/v4/projects`, {
    method: 'POST',
    headers: { 'private-token': token, 'content-type': 'application/json' },
    body: '{"name": ',
  })
  expect(broken.status).toBe(400)
  const poisoned = await fetch(`${url}/api/v4/projects`, {
    method: 'POST',
    headers: { 'private-token': token, 'content-type': 'application/json' },
    body: '{"name": "x", "__proto__": {"admin": true}}',
  })
  expect(poisoned.status).toBe(400)
  expect((await gitlab(token, 'GET', '/projects?page=many')).body).toEqual({
    error: 'page is invalid',
  })
})
