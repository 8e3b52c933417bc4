import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  bytesOf,
  type CiHouse,
  createdId,
  type HandRunner,
  handRunner,
  openCi,
  projectNamed,
  runnerInfo,
  statesOf,
  streamOf,
  user,
} from '../../test/support/ci.ts'
import type { Coordinator, JobPayload } from '../protocol/index.ts'

let house: CiHouse
let runner: HandRunner
let coordinator: Coordinator

beforeEach(async () => {
  house = await openCi(':memory:', { limits: { maxTraceBytes: 100, maxArtifactBytes: 100 } })
  runner = await handRunner(house)
  coordinator = house.pipelines.coordinator
})
afterEach(() => house.close())

const oneJob = 'unit: { script: [make] }'

async function startOne(yaml = oneJob): Promise<JobPayload> {
  await house.push(yaml)
  return (await runner.take())!
}

describe('asking for a job', () => {
  test('with an unknown token is forbidden', async () => {
    const request = { token: 'glrt-wrong', system_id: 's_1', info: runnerInfo }
    const answer = coordinator.requestJob(request, new AbortController().signal)
    await expect(answer).rejects.toMatchObject({ code: 'forbidden' })
  })

  test('waits, and is answered by the push itself', async () => {
    const request = { token: runner.token, system_id: 's_1', info: runnerInfo }
    const waiting = coordinator.requestJob(request, new AbortController().signal)
    await house.push(oneJob)
    expect((await waiting)?.job_info.name).toBe('unit')
  })

  test('that is given up takes nothing', async () => {
    const stop = new AbortController()
    const request = { token: runner.token, system_id: 's_1', info: runnerInfo }
    const waiting = coordinator.requestJob(request, stop.signal)
    stop.abort()
    const id = createdId(await house.push(oneJob))
    expect(await waiting).toBeUndefined()
    expect(await statesOf(house, id)).toEqual({ unit: 'pending' })
  })

  test('gives each job to one of many runners', async () => {
    await house.push(oneJob.replace('[make]', '[make], parallel: 5'))
    const taken = await Promise.all(Array.from({ length: 8 }, () => runner.take()))
    const ids = taken.flatMap(job => (job ? [job.id] : []))
    expect(new Set(ids).size).toBe(5)
    expect(ids).toHaveLength(5)
  })

  test('matches tags and run_untagged', async () => {
    const gpu = await handRunner(house, { tags: ['gpu', 'linux'], runUntagged: false })
    await house.push(
      'a: { script: [make] }\nb: { script: [make], tags: [gpu] }\nc: { script: [make], tags: [gpu, mac] }',
    )
    expect((await gpu.take())!.job_info.name).toBe('b')
    expect(await gpu.take()).toBeUndefined()
    expect((await runner.take())!.job_info.name).toBe('a')
    expect(await runner.take()).toBeUndefined()
  })

  test('serves the project with fewer running jobs first, then the older job', async () => {
    const many = oneJob.replace('[make]', '[make], parallel: 3')
    await house.push(many)
    await house.push(many, { project: projectNamed(9) })
    const order: number[] = []
    for (let turn = 0; turn < 6; turn++) {
      order.push((await runner.take())!.job_info.project_id)
    }
    expect(order).toEqual([3, 9, 3, 9, 3, 9])
  })
})

describe('a running job', () => {
  test('answers its token only', async () => {
    const job = await startOne()
    const wrong = coordinator.updateJob(job.id, { token: 'glcbt-x', state: 'success' })
    await expect(wrong).rejects.toMatchObject({ code: 'forbidden' })
    const log = coordinator.appendTrace(job.id, 'glcbt-x', 0, Buffer.from('x'))
    await expect(log).rejects.toMatchObject({ code: 'forbidden' })
    const nowhere = coordinator.updateJob(99, { token: job.token, state: 'success' })
    await expect(nowhere).rejects.toMatchObject({ code: 'forbidden' })
  })

  test('keeps alive without a change', async () => {
    const job = await startOne()
    const before = house.events.length
    const answer = await coordinator.updateJob(job.id, { token: job.token, state: 'running' })
    expect(answer).toEqual({ accepted: true, status: 'running' })
    expect(house.events.length).toBe(before)
  })

  test('appends its log at the end only, and says where that is', async () => {
    const job = await startOne()
    const append = (start: number, text: string) =>
      coordinator.appendTrace(job.id, job.token, start, Buffer.from(text))
    expect(await append(0, 'abc')).toMatchObject({ result: 'accepted', size: 3 })
    expect(await append(2, 'cd')).toMatchObject({ result: 'range_mismatch', size: 3 })
    expect(await append(4, 'e')).toMatchObject({ result: 'range_mismatch', size: 3 })
    expect(await append(3, 'd')).toMatchObject({ result: 'accepted', size: 4 })
    expect(house.traces.get(job.id)!.toString()).toBe('abcd')
  })

  test('fails when its log is too long', async () => {
    const job = await startOne()
    const answer = await coordinator.appendTrace(job.id, job.token, 0, Buffer.alloc(101))
    expect(answer).toEqual({ result: 'forbidden', size: 0, status: 'failed' })
    expect((await house.pipelines.job(job.id))!.failureReason).toBe('trace_size_exceeded')
  })

  test('once ended answers its end, whatever comes', async () => {
    const job = await startOne()
    await runner.succeed(job)
    const late = await coordinator.updateJob(job.id, { token: job.token, state: 'failed' })
    expect(late).toEqual({ accepted: false, status: 'success' })
    const log = await coordinator.appendTrace(job.id, job.token, 0, Buffer.from('x'))
    expect(log).toEqual({ result: 'forbidden', size: 0, status: 'success' })
    const artifact = coordinator.uploadArtifact(job.id, job.token, archive('late'))
    await expect(artifact).rejects.toMatchObject({ code: 'forbidden' })
    expect(await coordinator.canceled(job.id, new AbortController().signal)).toBeUndefined()
  })

  test('is told of its cancel by log answers too, and may still write', async () => {
    const job = await startOne()
    await house.pipelines.cancel(job.id, user)
    const log = await coordinator.appendTrace(job.id, job.token, 0, Buffer.from('x'))
    expect(log).toEqual({ result: 'accepted', size: 1, status: 'canceling' })
    expect(await coordinator.canceled(job.id, new AbortController().signal)).toBe('canceling')
    await runner.succeed(job)
    expect((await house.pipelines.job(job.id))!.status).toBe('canceled')
  })

  test('with a reason that nobody knows has failed for an unknown one', async () => {
    const job = await startOne()
    const odd = JSON.parse('{"failure_reason":"gremlins"}')
    await coordinator.updateJob(job.id, { token: job.token, state: 'failed', ...odd })
    expect((await house.pipelines.job(job.id))!.failureReason).toBe('unknown_failure')
  })
})

function archive(text: string, type = 'archive') {
  return {
    filename: '../artifacts.zip',
    artifact_type: type,
    artifact_format: 'zip',
    body: streamOf(text),
  }
}

const chain = `
stages: [build, test, ship]
build: { stage: build, script: [make], artifacts: { paths: [out] } }
lint: { stage: build, script: [make] }
test: { stage: test, script: [make], needs: [{ job: build, artifacts: false }] }
ship: { stage: ship, script: [make], dependencies: [build] }
`

describe('artifacts', () => {
  test('go from job to job of one pipeline', async () => {
    const build = await startOne(chain)
    await coordinator.uploadArtifact(build.id, build.token, archive('zip bytes'))
    await runner.succeed(build)
    await runner.succeed((await runner.take())!)
    const tested = (await runner.take())!
    expect(tested.dependencies).toEqual([])
    await runner.succeed(tested)
    const ship = (await runner.take())!
    expect(ship.dependencies).toEqual([
      {
        id: build.id,
        name: 'build',
        token: ship.token,
        artifacts_file: { filename: 'artifacts.zip', size: 9 },
      },
    ])
    const { body, size } = await coordinator.downloadArtifact(build.id, ship.token)
    expect(size).toBe(9)
    expect((await bytesOf(body)).toString()).toBe('zip bytes')
    const stale = coordinator.downloadArtifact(build.id, build.token)
    await expect(stale).rejects.toMatchObject({ code: 'forbidden' })
    const none = coordinator.downloadArtifact(tested.id, ship.token)
    await expect(none).rejects.toMatchObject({ code: 'not_found' })
  })

  test('are not for another pipeline', async () => {
    const build = await startOne(chain)
    await coordinator.uploadArtifact(build.id, build.token, archive('secret'))
    await house.push(oneJob, { project: projectNamed(9) })
    const stranger = (await runner.take())!
    const answer = coordinator.downloadArtifact(build.id, stranger.token)
    await expect(answer).rejects.toMatchObject({ code: 'forbidden' })
  })

  test('of one type come once; the same again is fine', async () => {
    const build = await startOne(chain)
    await coordinator.uploadArtifact(build.id, build.token, archive('one'))
    await coordinator.uploadArtifact(build.id, build.token, archive('one'))
    const other = coordinator.uploadArtifact(build.id, build.token, archive('two'))
    await expect(other).rejects.toMatchObject({ code: 'invalid' })
    expect(house.artifacts.size).toBe(1)
  })

  test('that are too large are refused', async () => {
    const build = await startOne(chain)
    const big = coordinator.uploadArtifact(build.id, build.token, archive('x'.repeat(101)))
    await expect(big).rejects.toMatchObject({ code: 'too_large' })
    const odd = coordinator.uploadArtifact(build.id, build.token, archive('x', '../etc'))
    await expect(odd).rejects.toMatchObject({ code: 'invalid' })
  })

  test('that have expired fail the job that depends on them, and are gone', async () => {
    const build = await startOne(chain)
    const upload = { ...archive('old'), expire_in: '1 hour' }
    await coordinator.uploadArtifact(build.id, build.token, upload)
    await runner.succeed(build)
    const lint = (await runner.take())!
    const tested = (await runner.take())!
    house.clock.advance(3_599_000)
    await runner.succeed(tested)
    house.clock.advance(1000)
    await runner.succeed(lint)
    expect(await runner.take()).toBeUndefined()
    const jobs = await house.pipelines.jobs(build.job_info.pipeline_id)
    expect(jobs.at(-1)).toMatchObject({ failureReason: 'missing_dependency_failure' })
    const stop = new AbortController()
    const running = house.pipelines.run(stop.signal)
    while (house.artifacts.size > 0) await new Promise(resolve => setImmediate(resolve))
    stop.abort()
    await running
  })

  test('of type dotenv become variables of later jobs, over those of the file', async () => {
    const build = await startOne(
      'a: { script: [make], artifacts: { reports: { dotenv: x.env } } }\nb: { stage: deploy, script: [make], variables: { COLOR: red } }',
    )
    const upload = (text: string) =>
      coordinator.uploadArtifact(build.id, build.token, {
        filename: '.env.gz',
        artifact_type: 'dotenv',
        artifact_format: 'gzip',
        body: streamOf(gzipSync(text)),
      })
    await expect(upload('# no\n')).rejects.toMatchObject({
      code: 'invalid',
      message: 'Invalid Format',
    })
    await expect(upload('A=1\n'.repeat(2000))).rejects.toMatchObject({ code: 'invalid' })
    await upload('COLOR=blue\nURL=http://x/$COLOR\n')
    await runner.succeed(build)
    const { variables } = (await runner.take())!
    const shown = (key: string) => variables.findLast(variable => variable.key === key)?.value
    expect([shown('COLOR'), shown('URL')]).toEqual(['blue', 'http://x/blue'])
  })
})
