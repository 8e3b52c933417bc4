import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type CiHouse, createdId, openCi, sha, statesOf, user } from '../../../test/support/ci.ts'
import { silentLogger, systemClock, systemRandom } from '../../lib/index.ts'
import type { JobPayload } from '../../protocol/index.ts'
import type { Server } from '../http/server.ts'
import { createRunnerApi, isRunnerPath } from './runners.ts'

let house: CiHouse
let server: Server
let base: string
let token: string

beforeEach(async () => {
  house = await openCi()
  server = createRunnerApi({
    pipelines: house.pipelines,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
  })
  await server.listen({ host: '127.0.0.1', port: 0 })
  base = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}/api/v4`
  const settings = { runUntagged: true, paused: false, protectedOnly: false }
  token = (await house.pipelines.runners.create({ description: 'official', tags: [], ...settings }))
    .token
})
afterEach(async () => {
  await server.close()
  await house.close()
})

const info = {
  name: 'gitlab-runner',
  version: '19.4.0',
  features: { cancel_gracefully: true, proxy: false },
  config: { gpus: '' },
}

function send(method: string, path: string, body?: unknown, headers: object = {}) {
  const type = { 'content-type': 'application/json' }
  return fetch(`${base}${path}`, {
    method,
    headers: { ...(body !== undefined && type), ...headers } as Record<string, string>,
    body: body === undefined ? undefined : JSON.stringify(body),
  })
}

async function takeJob(): Promise<JobPayload> {
  const answer = await send('POST', '/jobs/request', { token, system_id: 's_1', info })
  expect(answer.status).toBe(201)
  return (await answer.json()) as JobPayload
}

const oneJob = 'unit: { script: [make] }'

function patch(job: JobPayload, range: string | undefined, text: string) {
  return fetch(`${base}/jobs/${job.id}/trace?debug_trace=false`, {
    method: 'PATCH',
    headers: {
      'content-type': 'text/plain',
      'job-token': job.token,
      ...(range !== undefined && { 'content-range': range }),
    },
    body: text,
  })
}

describe('jobs/request', () => {
  test('hands a job out to a waiting runner when the push comes', async () => {
    const waiting = takeJob()
    await house.push(oneJob)
    expect((await waiting).git_info.sha).toBe(sha)
  })

  test('is 403 for an unknown token, also when it stands in the header only', async () => {
    const wrong = await send('POST', '/jobs/request', { token: 'glrt-x', info })
    expect(wrong.status).toBe(403)
    expect(await wrong.json()).toMatchObject({ message: expect.stringContaining('403 Forbidden') })
    await house.push(oneJob)
    const { token: _, ...rest } = { token, system_id: 's_1', info }
    const right = await send('POST', '/jobs/request', rest, { 'runner-token': token })
    expect(right.status).toBe(201)
  })

  test('whose runner has left gives the job to another', async () => {
    const leaving: ClientRequest = httpRequest(`${base}/jobs/request`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    })
    leaving.on('error', () => {})
    const arrived = new Promise<IncomingMessage>(resolve => server.server.once('request', resolve))
    leaving.end(JSON.stringify({ token, system_id: 's_1', info }))
    const { socket } = await arrived
    const closed = new Promise(resolve => socket.once('close', resolve))
    leaving.destroy()
    await closed
    const id = createdId(await house.push(oneJob))
    expect((await takeJob()).job_info.pipeline_id).toBe(id)
  })

  test('too large is refused', async () => {
    const body = { token, info: { ...info, name: 'x'.repeat(40_000) } }
    expect((await send('POST', '/jobs/request', body)).status).toBe(413)
  })
})

describe('a job', () => {
  let job: JobPayload
  let pipelineId: number
  beforeEach(async () => {
    pipelineId = createdId(await house.push(oneJob))
    job = await takeJob()
  })

  test('goes through keep-alive, log, and its end', async () => {
    const alive = await send('PUT', `/jobs/${job.id}`, { token: job.token, state: 'running', info })
    expect([alive.status, alive.headers.get('job-status')]).toEqual([200, 'running'])
    const first = await patch(job, '0-5', 'hello\n')
    expect([first.status, first.headers.get('range')]).toEqual([202, '0-6'])
    expect(first.headers.get('x-gitlab-trace-update-interval')).toBe('3')
    const wrong = await patch(job, '3-5', 'lo\n')
    expect([wrong.status, wrong.headers.get('range')]).toEqual([416, '0-6'])
    expect((await patch(job, undefined, 'x')).status).toBe(400)
    const done = await send('PUT', `/jobs/${job.id}`, {
      token: job.token,
      state: 'success',
      output: { checksum: 'crc32:363a3020', bytesize: 6 },
    })
    expect([done.status, done.headers.get('job-status')]).toEqual([200, 'success'])
    const again = await send('PUT', `/jobs/${job.id}`, { token: job.token, state: 'success' })
    expect([again.status, again.headers.get('job-status')]).toEqual([403, 'success'])
    const late = await patch(job, '6-6', 'x')
    expect([late.status, late.headers.get('job-status')]).toEqual([403, 'success'])
    expect(await statesOf(house, pipelineId)).toEqual({ unit: 'success' })
  })

  test('that fails says how', async () => {
    const body = {
      token: job.token,
      state: 'failed',
      failure_reason: 'script_failure',
      exit_code: 3,
    }
    expect((await send('PUT', `/jobs/${job.id}`, body)).status).toBe(200)
    const [unit] = await house.pipelines.jobs(pipelineId)
    expect(unit).toMatchObject({ status: 'failed', failureReason: 'script_failure', exitCode: 3 })
  })

  test('that is canceled hears of it', async () => {
    await house.pipelines.cancel(job.id, user)
    const alive = await send('PUT', `/jobs/${job.id}`, { token: job.token, state: 'running' })
    expect([alive.status, alive.headers.get('job-status')]).toEqual([200, 'canceling'])
    await send('PUT', `/jobs/${job.id}`, { token: job.token, state: 'failed' })
    expect(await statesOf(house, pipelineId)).toEqual({ unit: 'canceled' })
  })

  test('with a wrong token, number or state is 403 or 400, never 404', async () => {
    const statuses = await Promise.all([
      send('PUT', `/jobs/${job.id}`, { token: 'x', state: 'success' }),
      send('PUT', '/jobs/999', { token: job.token, state: 'success' }),
      send('PUT', '/jobs/99999999999999999999', { token: job.token, state: 'success' }),
      send('PUT', `/jobs/${job.id}`, { token: job.token, state: 'dancing' }),
    ])
    expect(statuses.map(answer => answer.status)).toEqual([403, 403, 403, 400])
  })

  test('sends and gets artifacts, in parts without a length', async () => {
    const upload = async (text: string, jobToken = job.token) => {
      const form = new FormData()
      form.set('file', new Blob([text]), 'artifacts.zip')
      const multipart = new Response(form)
      return fetch(
        `${base}/jobs/${job.id}/artifacts?artifact_format=zip&artifact_type=archive&expire_in=1+day`,
        {
          method: 'POST',
          headers: {
            'content-type': multipart.headers.get('content-type')!,
            'job-token': jobToken,
          },
          body: multipart.body,
          duplex: 'half',
        } as RequestInit,
      )
    }
    expect((await upload('zip', 'wrong')).status).toBe(403)
    expect((await upload('zip'.repeat(100_000))).status).toBe(201)
    expect((await upload('other')).status).toBe(400)
    const get = (jobToken: string) =>
      fetch(`${base}/jobs/${job.id}/artifacts?direct_download=true`, {
        headers: { 'job-token': jobToken },
      })
    expect(await (await get(job.token)).text()).toBe('zip'.repeat(100_000))
    expect((await get('wrong')).status).toBe(403)
    const [unit] = await house.pipelines.jobs(pipelineId)
    expect(unit!.artifacts).toMatchObject([{ filename: 'artifacts.zip', sizeBytes: 300_000 }])
  })

  test('refuses an upload that is no file', async () => {
    const headers = { 'job-token': job.token }
    const answer = await send('POST', `/jobs/${job.id}/artifacts`, { not: 'a file' }, headers)
    expect(answer.status).toBe(400)
  })
})

describe('runners', () => {
  test('are verified, reset and removed', async () => {
    const verified = await send('POST', '/runners/verify', { token, system_id: 's_1', info })
    expect(await verified.json()).toMatchObject({ id: 1, token, token_expires_at: null })
    const reset = await send('POST', '/runners/reset_authentication_token', { token })
    expect(reset.status).toBe(201)
    const fresh = ((await reset.json()) as { token: string }).token
    expect((await send('POST', '/runners/verify', { token, system_id: 's_1' })).status).toBe(403)
    const manager = (system: object) =>
      send('DELETE', '/runners/managers', { token: fresh, ...system })
    expect((await manager({})).status).toBe(400)
    expect((await manager({ system_id: 's_9' })).status).toBe(404)
    expect((await manager({ system_id: 's_1' })).status).toBe(204)
    expect((await send('DELETE', '/runners', { token: fresh })).status).toBe(204)
    expect((await send('POST', '/runners/verify', { token: fresh })).status).toBe(403)
    expect((await send('POST', '/runners', { token: 'GR1348941x' })).status).toBe(410)
    expect((await send('GET', '/runners/router/discovery')).status).toBe(501)
  })

  test('of this process are out of reach', async () => {
    const own = { description: 'own', tags: [], runUntagged: true }
    const { token: inner } = await house.pipelines.ensureRunner(own)
    expect((await send('DELETE', '/runners', { token: inner })).status).toBe(403)
  })
})

test('only these paths are theirs', () => {
  const theirs = [
    '/jobs/request',
    '/jobs/7',
    '/jobs/7/trace?debug_trace=true',
    '/jobs/7/artifacts?',
    '/runners',
    '/runners/verify',
  ]
  expect(theirs.map(path => isRunnerPath(`/api/v4${path}`))).toEqual(theirs.map(() => true))
  const others = ['/projects/1/jobs/7', '/user/runners', '/jobs', '/jobs/x', '/runnersx']
  expect(others.map(path => isRunnerPath(`/api/v4${path}`))).toEqual(others.map(() => false))
})
