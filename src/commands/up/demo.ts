import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Failure } from '../../lib/index.ts'
import type { LocalServer } from '../local-client.ts'
import type { Checklist } from './checklist.ts'
import type { Client } from './client.ts'

const run = promisify(execFile)
const sample = fileURLToPath(new URL('../../../examples/student-list', import.meta.url))
const group = 'pozos'
const project = 'student-list'
const projectPath = `/projects/${encodeURIComponent(`${group}/${project}`)}`
const branches = ['master', 'testing', 'staging']
const apps = { production: 'student-list-production', staging: 'student-list-staging' }
const agesPath = '/pozos/api/v1.0/get_student_ages'
const ended = ['success', 'failed', 'canceled', 'skipped', 'manual']

interface Project {
  id: number
  web_url: string
}
interface Pipeline {
  id: number
  ref: string
  status: string
  web_url: string
}
interface Job {
  id: number
  name: string
  status: string
  web_url: string
}
interface App {
  name: string
  web_url: string
}

export interface Live {
  project: Project
  apps: { name: string; url: string }[]
}

/** The student list from source to production, over the public API; what is in place already is left as it is. */
export async function runDemo(options: {
  client: Client
  server: LocalServer
  checklist: Checklist
  signal: AbortSignal
}): Promise<Live> {
  const { client, checklist } = options
  const made = await checklist.step(`project ${group}/${project}`, note =>
    ensureProject(client, note),
  )
  const live = await checklist.step('apps for staging and production', () => ensureApps(client))
  await checklist.step('CI/CD variables', note => ensureVariables(client, note))
  await checklist.step('git push master', note => pushMaster(options, note))
  await checklist.step('branches testing and staging', note => ensureBranches(client, note))
  await checklist.step('pipelines', note => followPipelines(client, made, note))
  for (const app of live)
    await checklist.step(`${app.name} answers`, note => visitApp(client, app, note))
  return { project: made, apps: live.map(app => ({ name: app.name, url: app.web_url })) }
}

async function ensureProject(client: Client, note: (text: string) => void): Promise<Project> {
  const known = await client.gitlab<Project>('GET', projectPath)
  if (known !== undefined) {
    note('was there')
    return known
  }
  const space =
    (await client.gitlab<{ id: number }>('GET', `/groups/${group}`)) ??
    (await client.gitlab<{ id: number }>('POST', '/groups', { name: group, path: group }))
  const body = { name: project, path: project, namespace_id: space?.id }
  const created = await client.gitlab<Project>('POST', '/projects', body)
  return there(created, 'the project')
}

async function ensureApps(client: Client): Promise<App[]> {
  const found: App[] = []
  for (const name of Object.values(apps))
    found.push(
      there(
        (await client.heroku<App>('GET', `/apps/${name}`)) ??
          (await client.heroku<App>('POST', '/apps', { name })),
        `the app ${name}`,
      ),
    )
  return found
}

async function ensureVariables(client: Client, note: (text: string) => void): Promise<void> {
  const listed = await client.gitlab<{ key: string }[]>(
    'GET',
    `${projectPath}/variables?per_page=100`,
  )
  const known = new Set(listed?.map(one => one.key))
  const missing = (key: string) => !known.has(key)
  const set = (key: string, value: string, masked: boolean) =>
    client.gitlab('POST', `${projectPath}/variables`, { key, value, masked })
  if (missing('HEROKU_APP_STAGING')) await set('HEROKU_APP_STAGING', apps.staging, false)
  if (missing('HEROKU_APP_PRODUCTION')) await set('HEROKU_APP_PRODUCTION', apps.production, false)
  if (missing('DOCKER_USERNAME')) await set('DOCKER_USERNAME', 'root', false)
  const secrets = ['HEROKU_API_KEY', 'DOCKER_PASSWORD'].filter(missing)
  if (secrets.length === 0) return note('were there')
  // Slipway answers for both platforms, so one key opens both.
  const key = await client.heroku<{ access_token: { token: string } }>(
    'POST',
    '/oauth/authorizations',
    { description: `pipelines of ${group}/${project}` },
  )
  for (const name of secrets) await set(name, there(key, 'an API key').access_token.token, true)
}

async function pushMaster(
  { client, server, signal }: { client: Client; server: LocalServer; signal: AbortSignal },
  note: (text: string) => void,
): Promise<void> {
  const known = await client.gitlab('GET', `${projectPath}/repository/branches/master`)
  if (known !== undefined) return note('was there')
  const directory = await mkdtemp(join(tmpdir(), 'slipway-up-'))
  try {
    await cp(sample, directory, { recursive: true })
    const git = (...args: string[]) =>
      run('git', args, { cwd: directory, env: gitEnvironment(server), signal, timeout: 120_000 })
    await git('init', '--quiet', '--initial-branch=master')
    await git('add', '--all')
    await git('commit', '--quiet', '--message', 'Student list: API, tests, pipeline')
    await git('push', '--quiet', `${server.origin}/${group}/${project}.git`, 'master')
  } catch (error) {
    signal.throwIfAborted()
    const said = (error as { stderr?: string }).stderr?.trim()
    throw new Failure('unavailable', `git push failed: ${said || String(error)}`)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Nothing of the user's configuration plays in, and the token stands in no argument. */
function gitEnvironment(server: LocalServer): NodeJS.ProcessEnv {
  const basic = Buffer.from(`root:${server.token.reveal()}`).toString('base64')
  const person = { NAME: 'Slipway', EMAIL: 'slipway@localhost' }
  return {
    PATH: process.env['PATH'],
    HOME: tmpdir(),
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'http.extraHeader',
    GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
    GIT_AUTHOR_NAME: person.NAME,
    GIT_AUTHOR_EMAIL: person.EMAIL,
    GIT_COMMITTER_NAME: person.NAME,
    GIT_COMMITTER_EMAIL: person.EMAIL,
  }
}

async function ensureBranches(client: Client, note: (text: string) => void): Promise<void> {
  let made = 0
  for (const branch of branches.slice(1)) {
    const path = `${projectPath}/repository/branches`
    if ((await client.gitlab('GET', `${path}/${branch}`)) !== undefined) continue
    await client.gitlab('POST', path, { branch, ref: 'master' })
    made++
  }
  if (made === 0) note('were there')
}

async function followPipelines(
  client: Client,
  made: Project,
  note: (text: string) => void,
): Promise<void> {
  // What failed on an earlier run gets another try; what fails from here on is told.
  for (const one of await newestPipelines(client))
    if (one !== undefined && isBad(one))
      await client.gitlab('POST', `${projectPath}/pipelines/${one.id}/retry`)
  for await (const _ of client.changes(made.id)) {
    const wanted = await newestPipelines(client)
    const lines = await Promise.all(
      wanted.map(async (one, at) =>
        one === undefined ? `${branches[at]} waits` : `${one.ref} ${await progress(client, one)}`,
      ),
    )
    note(lines.join(' · '))
    const bad = wanted.find(one => one !== undefined && isBad(one))
    if (bad !== undefined) throw await failureOf(client, bad)
    if (wanted.every(one => one !== undefined && ended.includes(one.status))) return
  }
}

/** The newest of each branch, in the order of `branches`. */
async function newestPipelines(client: Client): Promise<(Pipeline | undefined)[]> {
  const newest = new Map<string, Pipeline>()
  const listed = await client.gitlab<Pipeline[]>('GET', `${projectPath}/pipelines?per_page=100`)
  for (const one of [...(listed ?? [])].sort((a, b) => a.id - b.id)) newest.set(one.ref, one)
  return branches.map(branch => newest.get(branch))
}

function isBad(pipeline: Pipeline): boolean {
  return ended.includes(pipeline.status) && pipeline.status !== 'success'
}

async function jobsOf(client: Client, pipeline: Pipeline): Promise<Job[]> {
  const path = `${projectPath}/pipelines/${pipeline.id}/jobs?per_page=100`
  return (await client.gitlab<Job[]>('GET', path)) ?? []
}

async function progress(client: Client, pipeline: Pipeline): Promise<string> {
  if (pipeline.status !== 'running') return pipeline.status
  const running = (await jobsOf(client, pipeline)).filter(job => job.status === 'running')
  return running.length === 0 ? 'pending' : `runs ${running.map(job => job.name).join(', ')}`
}

async function failureOf(client: Client, pipeline: Pipeline): Promise<Failure> {
  const job = (await jobsOf(client, pipeline)).find(one => one.status === 'failed')
  const trace = job ? await client.text(`${projectPath}/jobs/${job.id}/trace`) : ''
  const last = trace.trimEnd().split('\n').slice(-12).join('\n    ')
  return new Failure(
    'unavailable',
    `the pipeline of ${pipeline.ref} ended with ${pipeline.status}${job ? `: job ${job.name} failed\n    ${last}` : ''}`,
    { hint: `See ${job?.web_url ?? pipeline.web_url}, mend it, push, and run this again.` },
  )
}

async function visitApp(client: Client, app: App, note: (text: string) => void): Promise<void> {
  const { status, body } = await client.visit(app.web_url, agesPath, 'toto:python')
  if (status !== 200)
    throw new Failure('unavailable', `${app.name} answered ${status}: ${body.slice(0, 300)}`, {
      hint: `Its log: GET /apps/${app.name}/log-sessions, or the console.`,
    })
  note(`${status} ${body.trim().slice(0, 80)}`)
}

function there<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Failure('unavailable', `${what} could not be made`)
  return value
}

/** What is live and what to try next. */
export function summary(live: Live, passwordFile: string): string {
  const rows = live.apps.map(({ name, url }) => `  ${name.padEnd(26)} ${agesUrl(url)}`)
  const remote = live.project.web_url.replace('://', '://root@')
  return [
    '',
    'Live:',
    ...rows,
    `  ${'project'.padEnd(26)} ${live.project.web_url}`,
    '',
    'Next:',
    `  curl -u toto:python ${agesUrl(live.apps[0]?.url ?? '')}`,
    `  git clone ${remote}.git   # password: in ${passwordFile}`,
    '  change student_age.json, commit, push: the push prints its pipeline, and production follows',
    '',
  ].join('\n')
}

function agesUrl(webUrl: string): string {
  return new URL(agesPath, webUrl).href
}
