/** The sample: a company's student list, from source to production. Every step finds what an earlier run left. */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Failure } from '../../lib/index.ts'
import type { Checklist } from './checklist.ts'
import type { Client } from './client.ts'

const run = promisify(execFile)
const sample = fileURLToPath(new URL('../../../examples/student-list', import.meta.url))
const project = 'pozos/student-list'
const projectPath = `/projects/${encodeURIComponent(project)}`
const page = '/pozos/api/v1.0/get_student_ages'
/** The sample's own default credentials. */
const visitor = `Basic ${Buffer.from('toto:python').toString('base64')}`

export const demoApps = [
  { name: 'student-list-staging', branch: 'staging', variable: 'HEROKU_APP_STAGING' },
  { name: 'student-list-production', branch: 'master', variable: 'HEROKU_APP_PRODUCTION' },
]
const branches = ['master', 'testing', 'staging']

export interface DemoResult {
  name: string
  branch: string
  answers: boolean
  /** What the app said, or why it didn't. */
  text: string
  release?: { version: number; description: string }
}

/** The project with its CI/CD variables, and the two apps. */
export async function prepareDemo(
  client: Client,
  list: Checklist,
  signal: AbortSignal,
): Promise<void> {
  await list.step('Project', async tell => {
    tell(project)
    const group =
      (await client.gitlab<{ id: number }>('GET', '/groups/pozos')) ??
      (await client.gitlab<{ id: number }>('POST', '/groups', { name: 'pozos', path: 'pozos' }))
    const there = await client.gitlab('GET', projectPath)
    if (there === undefined)
      await client.gitlab('POST', '/projects', {
        name: 'student-list',
        path: 'student-list',
        namespace_id: group?.id,
      })
    return { value: undefined, text: `${project} ${there === undefined ? 'is made' : 'is there'}` }
  })
  await list.step('Apps', async () => {
    for (const { name } of demoApps) {
      signal.throwIfAborted()
      if ((await client.heroku('GET', `/apps/${name}`)) === undefined)
        await client.heroku('POST', '/apps', { name })
    }
    return { value: undefined, text: demoApps.map(app => app.name).join(', ') }
  })
  await list.step('CI/CD variables', async () => {
    for (const { variable, name } of demoApps)
      await ensureVariable(client, variable, async () => name, false)
    await ensureVariable(
      client,
      'HEROKU_API_KEY',
      () => newKey(client, 'pipeline of pozos/student-list'),
      true,
    )
    await ensureVariable(client, 'DOCKER_USERNAME', async () => 'root', false)
    await ensureVariable(
      client,
      'DOCKER_PASSWORD',
      () => newKey(client, 'registry login of pozos/student-list'),
      true,
    )
    return {
      value: undefined,
      text: 'HEROKU_APP_STAGING, HEROKU_APP_PRODUCTION, HEROKU_API_KEY, DOCKER_USERNAME, DOCKER_PASSWORD',
    }
  })
}

async function ensureVariable(
  client: Client,
  key: string,
  value: () => Promise<string>,
  masked: boolean,
): Promise<void> {
  if ((await client.gitlab('GET', `${projectPath}/variables/${key}`)) !== undefined) return
  await client.gitlab('POST', `${projectPath}/variables`, { key, value: await value(), masked })
}

async function newKey(client: Client, description: string): Promise<string> {
  const made = await client.heroku<{ access_token: { token: string } }>(
    'POST',
    '/oauth/authorizations',
    { description },
  )
  if (made === undefined) throw new Failure('internal', 'the server made no API key')
  return made.access_token.token
}

/** Pushes what isn't there, follows the three pipelines, and asks both apps. */
export async function runDemo(options: {
  client: Client
  list: Checklist
  signal: AbortSignal
  url: string
  data: string
}): Promise<DemoResult[]> {
  const { client, list, signal } = options
  await list.step('Push', async () => {
    const isThere =
      (await client.gitlab('GET', `${projectPath}/repository/branches/master`)) !== undefined
    if (!isThere) await push(client, signal)
    for (const branch of branches.slice(1)) {
      signal.throwIfAborted()
      if (
        (await client.gitlab('GET', `${projectPath}/repository/branches/${branch}`)) === undefined
      )
        await client.gitlab('POST', `${projectPath}/repository/branches`, { branch, ref: 'master' })
    }
    return {
      value: undefined,
      text: `${branches.join(', ')} ${isThere ? 'are there' : 'are pushed'}`,
    }
  })
  await list.step('Pipelines', tell => followPipelines(client, tell, signal, options.url))
  return list.step('Apps answer', async () => {
    const results = await Promise.all(demoApps.map(app => check(client, app)))
    const broken = results.filter(result => !result.answers)
    return {
      value: results,
      text: broken.length === 0 ? 'both' : `not ${broken.map(one => one.name).join(', ')}`,
    }
  })
}

async function push(client: Client, signal: AbortSignal): Promise<void> {
  const work = await mkdtemp(path.join(tmpdir(), 'slipway-up-'))
  const remote = new URL(`${client.server.origin}/${project}.git`)
  const git = (...args: string[]) =>
    run(
      'git',
      ['-c', 'user.name=Slipway', '-c', 'user.email=demo@localhost.localdomain', ...args],
      {
        cwd: work,
        signal,
        env: {
          ...process.env,
          GIT_TERMINAL_PROMPT: '0',
          GIT_CONFIG_GLOBAL: '/dev/null',
          // the token stays out of the process list
          GIT_CONFIG_COUNT: '1',
          GIT_CONFIG_KEY_0: `http.${client.server.origin}/.extraHeader`,
          GIT_CONFIG_VALUE_0: `Authorization: Basic ${Buffer.from(`root:${client.server.token.reveal()}`).toString('base64')}`,
        },
      },
    )
  try {
    await cp(sample, work, { recursive: true })
    await git('init', '-q', '-b', 'master')
    await git('add', '-A')
    await git('commit', '-q', '-m', 'The student list')
    await git('push', '-q', remote.href, 'master')
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

interface PipelineBody {
  id: number
  status: string
  ref: string
}

const ended = new Set(['success', 'failed', 'canceled', 'skipped'])
const signs: Record<string, string> = { success: '✓', failed: '✗', running: '…', canceled: '✗' }

async function followPipelines(
  client: Client,
  tell: (text: string) => void,
  signal: AbortSignal,
  url: string,
): Promise<{ value: undefined; text: string }> {
  const retried = new Set<number>()
  for await (const _change of client.changes(signal)) {
    const newest = await Promise.all(branches.map(branch => newestPipeline(client, branch)))
    const told = await Promise.all(newest.map(pipeline => describe(client, pipeline)))
    tell(told.join('   '))
    const failed = newest.filter(
      pipeline => pipeline.status !== 'success' && ended.has(pipeline.status),
    )
    const again = failed.filter(
      pipeline => !retried.has(pipeline.id) && pipeline.status === 'canceled',
    )
    for (const pipeline of again) {
      retried.add(pipeline.id)
      await client.gitlab('POST', `${projectPath}/pipelines/${pipeline.id}/retry`)
    }
    const isOver = newest.every(pipeline => ended.has(pipeline.status)) && again.length === 0
    if (!isOver) continue
    if (failed.length === 0) return { value: undefined, text: told.join('   ') }
    const addresses = failed.map(pipeline => `${url}/${project}/-/pipelines/${pipeline.id}`)
    throw new Failure(
      'unavailable',
      `a pipeline failed: ${addresses.join(', ')}\n${await lastLines(client, failed[0]!)}`,
      {
        hint: 'Mend the cause, retry the pipeline, then run script/up again.',
      },
    )
  }
  throw new Failure('unavailable', 'the server went away while pipelines ran', {
    hint: 'Run script/up again: pipelines go on.',
  })
}

async function newestPipeline(client: Client, branch: string): Promise<PipelineBody> {
  const [newest] =
    (await client.gitlab<PipelineBody[]>(
      'GET',
      `${projectPath}/pipelines?ref=${branch}&per_page=1`,
    )) ?? []
  return newest ?? { id: 0, status: 'created', ref: branch }
}

async function describe(client: Client, pipeline: PipelineBody): Promise<string> {
  const jobs =
    pipeline.id === 0
      ? []
      : ((await client.gitlab<{ id: number; name: string; status: string }[]>(
          'GET',
          `${projectPath}/pipelines/${pipeline.id}/jobs`,
        )) ?? [])
  const inOrder = jobs
    .sort((a, b) => a.id - b.id)
    .map(job => `${job.name} ${signs[job.status] ?? '·'}`)
  return `${pipeline.ref}: ${inOrder.join(' → ')}`
}

async function lastLines(client: Client, pipeline: PipelineBody): Promise<string> {
  const jobs =
    (await client.gitlab<{ id: number; status: string }[]>(
      'GET',
      `${projectPath}/pipelines/${pipeline.id}/jobs`,
    )) ?? []
  const job = jobs.find(one => one.status === 'failed')
  if (job === undefined) return ''
  const { origin, token } = client.server
  const response = await fetch(`${origin}/api/v4${projectPath}/jobs/${job.id}/trace`, {
    headers: { 'private-token': token.reveal() },
  })
  const lines = (await response.text()).trimEnd().split('\n')
  return lines
    .slice(-8)
    .map(line => `    ${line}`)
    .join('\n')
}

/** As a visitor: through the router, by the app's own name. */
async function check(client: Client, app: (typeof demoApps)[number]): Promise<DemoResult> {
  const { port } = new URL(client.server.origin)
  const { status, body } = await visit(Number(port), `${app.name}.localhost:${port}`)
  const releases =
    (await client.heroku<{ version: number; description: string; current: boolean }[]>(
      'GET',
      `/apps/${app.name}/releases`,
    )) ?? []
  const release = releases.find(one => one.current)
  const answers = status === 200
  return {
    name: app.name,
    branch: app.branch,
    answers,
    text: answers ? body.trim() : `${status} ${body.trim().slice(0, 200)}`,
    ...(release && { release }),
  }
}

/** `fetch` can't set the Host, and not every resolver knows `*.localhost`. */
function visit(port: number, host: string): Promise<{ status: number; body: string }> {
  return new Promise(resolve => {
    const asked = request(
      {
        host: '127.0.0.1',
        port,
        path: page,
        headers: { host, authorization: visitor },
        timeout: 10_000,
      },
      response => {
        let body = ''
        response.on('data', chunk => {
          body += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      },
    )
    asked.on('timeout', () => asked.destroy(new Error('no answer within 10 s')))
    asked.on('error', error => resolve({ status: 0, body: error.message }))
    asked.end()
  })
}
