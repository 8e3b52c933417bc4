import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type CiHouse,
  createdId,
  type HandRunner,
  handRunner,
  openCi,
  project,
  sha,
  statesOf,
  urls,
  user,
} from '../../test/support/ci.ts'

let house: CiHouse
let runner: HandRunner

beforeEach(async () => {
  house = await openCi()
  runner = await handRunner(house)
})
afterEach(() => house.close())

const twoStages = `
stages: [test, release]
unit: { stage: test, script: [echo test] }
ship: { stage: release, script: [echo ship] }
`

describe('a push', () => {
  test('goes through its stages to the end, and tells everyone', async () => {
    const id = createdId(await house.push(twoStages))
    expect(await statesOf(house, id)).toEqual({ unit: 'pending', ship: 'created' })
    expect(house.kept.get(id)).toBe(sha)

    const unit = (await runner.take())!
    expect(unit.job_info.name).toBe('unit')
    expect(await runner.take()).toBeUndefined()
    expect((await house.pipelines.get(id))!.status).toBe('running')
    const trace = await house.pipelines.coordinator.appendTrace(
      unit.id,
      unit.token,
      0,
      Buffer.from('hello\n'),
    )
    expect(trace).toEqual({ result: 'accepted', size: 6, status: 'running' })
    await runner.succeed(unit)
    expect(house.closedTraces.has(unit.id)).toBe(true)
    expect(house.liveTokens.has(unit.id)).toBe(false)

    expect(await runner.runAll()).toEqual(['ship'])
    const pipeline = (await house.pipelines.get(id))!
    expect(pipeline).toMatchObject({ status: 'success', iid: 1, ref: 'master', tag: false })
    expect(pipeline.finishedAt).toBe(house.clock.now())
    const told = house.events.flatMap(event => (event.type === 'pipeline' ? [event.status] : []))
    expect(told).toEqual(['created', 'pending', 'running', 'success'])
  })

  test('with a broken file leaves a failed pipeline that says why', async () => {
    const outcome = await house.push('unit: { script: [make], stage: nowhere }')
    expect(outcome).toMatchObject({ kind: 'invalid', pipeline: { status: 'failed' } })
    expect(outcome.problems[0]!.message).toContain('nowhere')
    const { items } = await house.pipelines.list(project.id, { page: 1, perPage: 20 })
    expect(items[0]!.problems).toEqual(outcome.problems)
  })

  test('without a file makes nothing', async () => {
    const event = { project, user, ref: 'refs/heads/master', sha, source: 'push' as const }
    expect(await house.pipelines.create(event)).toMatchObject({ kind: 'none' })
    expect((await house.pipelines.list(project.id, { page: 1, perPage: 20 })).total).toBe(0)
  })

  test.each(['[ci skip] later', 'Fix\n\n[skip ci]'])('of %j is skipped', async message => {
    house.commitMessage = message
    expect(await house.push(twoStages)).toMatchObject({ kind: 'none' })
    const { items } = await house.pipelines.list(project.id, { page: 1, perPage: 20 })
    expect(items[0]!.status).toBe('skipped')
  })

  test('takes options: ci.skip, ci.variable, and says which it does not know', async () => {
    expect(await house.push(twoStages, { pushOptions: ['ci.skip'] })).toMatchObject({
      kind: 'none',
    })
    const outcome = await house.push(twoStages, {
      sha: 'b'.repeat(40),
      pushOptions: ['ci.variable=COLOR=a=b', 'ci.variable=nonsense', 'merge_request.create'],
    })
    const job = (await runner.take())!
    expect(job.variables.findLast(variable => variable.key === 'COLOR')?.value).toBe('a=b')
    expect(outcome.problems).toMatchObject([
      { severity: 'warning', message: expect.stringContaining('ci.variable') },
    ])
    expect(createdId(outcome)).toBe(job.job_info.pipeline_id)
  })

  test('replaces an older pipeline of its branch that has not begun', async () => {
    const old = createdId(await house.push(twoStages))
    const other = createdId(await house.push(twoStages, { ref: 'refs/heads/testing' }))
    await house.push(twoStages, { sha: 'b'.repeat(40) })
    expect((await house.pipelines.get(old))!.status).toBe('canceled')
    expect((await house.pipelines.get(other))!.status).toBe('pending')
  })

  test('told again after a crash makes no second pipeline', async () => {
    const first = createdId(await house.push(twoStages))
    expect(createdId(await house.push(twoStages))).toBe(first)
    const stop = new AbortController()
    const running = house.pipelines.run(stop.signal)
    expect(createdId(await house.push(twoStages))).not.toBe(first)
    stop.abort()
    await running
  })
})

describe('a job that fails', () => {
  test('fails the pipeline and skips what comes after', async () => {
    const id = createdId(await house.push(twoStages))
    await runner.fail((await runner.take())!, 2)
    expect(await statesOf(house, id)).toEqual({ unit: 'failed', ship: 'skipped' })
    expect((await house.pipelines.get(id))!.status).toBe('failed')
    const [unit] = await house.pipelines.jobs(id)
    expect(unit).toMatchObject({ failureReason: 'script_failure', exitCode: 2 })
  })

  test('may fail with the exit codes that allow_failure names', async () => {
    const yaml = `${twoStages}  \n`.replace(
      '[echo test]',
      '[echo test], allow_failure: { exit_codes: [137] }',
    )
    const id = createdId(await house.push(yaml))
    await runner.fail((await runner.take())!, 137)
    expect(await runner.runAll()).toEqual(['ship'])
    expect((await house.pipelines.get(id))!.status).toBe('success')
  })

  test('is tried again as retry says, by reason', async () => {
    const id = createdId(
      await house.push('unit: { script: [make], retry: { max: 2, when: runner_system_failure } }'),
    )
    await runner.fail((await runner.take())!, 1, 'runner_system_failure')
    const second = (await runner.take())!
    await runner.fail(second, 1)
    expect(await runner.take()).toBeUndefined()
    const all = await house.pipelines.jobs(id, { includeRetried: true })
    expect(all.map(job => [job.status, job.attempt, job.retriedBy])).toEqual([
      ['failed', 0, second.id],
      ['failed', 1, undefined],
    ])
  })

  test('is tried again as retry says, by exit code', async () => {
    await house.push('unit: { script: [make], retry: { max: 1, exit_codes: 75 } }')
    await runner.fail((await runner.take())!, 75)
    await runner.fail((await runner.take())!, 75)
    expect(await runner.take()).toBeUndefined()
  })

  test('can be retried by hand, and what was skipped runs then', async () => {
    const id = createdId(await house.push(twoStages))
    const first = (await runner.take())!
    await runner.fail(first)
    const again = await house.pipelines.retry(first.id, user)
    expect(again).toMatchObject({ name: 'unit', status: 'pending' })
    expect(again.id).not.toBe(first.id)
    expect((await house.pipelines.get(id))!.finishedAt).toBeUndefined()
    expect(await runner.runAll()).toEqual(['unit', 'ship'])
    expect((await house.pipelines.get(id))!.status).toBe('success')
    await expect(house.pipelines.retry(first.id, user)).rejects.toMatchObject({
      code: 'forbidden',
      message: 'Job is not retryable',
    })
  })

  test('is retried with the pipeline, with its successors in their turn', async () => {
    const id = createdId(await house.push(twoStages))
    await runner.fail((await runner.take())!)
    await house.pipelines.retryPipeline(id, user)
    expect(await statesOf(house, id)).toEqual({ unit: 'pending', ship: 'created' })
    expect(await runner.runAll()).toEqual(['unit', 'ship'])
  })
})

describe('cancel', () => {
  test('ends waiting jobs at once and tells running ones', async () => {
    const id = createdId(await house.push(twoStages))
    const job = (await runner.take())!
    const told = house.pipelines.coordinator.canceled(job.id, new AbortController().signal)
    await house.pipelines.cancelPipeline(id, user)
    expect(await told).toBe('canceling')
    expect(await statesOf(house, id)).toEqual({ unit: 'canceling', ship: 'canceled' })
    const last = await house.pipelines.coordinator.updateJob(job.id, {
      token: job.token,
      state: 'failed',
      failure_reason: 'job_canceled',
    })
    expect(last).toEqual({ accepted: true, status: 'canceled' })
    expect((await house.pipelines.get(id))!.status).toBe('canceled')
  })

  test('drops the job of a runner that does not know how to stop gently', async () => {
    const rough = await handRunner(house, { graceful: false })
    await house.push(twoStages)
    const job = (await rough.take())!
    await house.pipelines.cancel(job.id, user)
    expect((await house.pipelines.job(job.id))!.status).toBe('canceled')
    expect(house.liveTokens.has(job.id)).toBe(false)
  })

  test('leaves an ended job as it is', async () => {
    await house.push(twoStages)
    const job = (await runner.take())!
    await runner.succeed(job)
    expect((await house.pipelines.cancel(job.id, user)).status).toBe('success')
  })
})

describe('manual and delayed jobs', () => {
  const yaml = `
go: { script: [echo go], when: manual, allow_failure: false }
later: { script: [echo later], when: delayed, start_in: 10 minutes }
after: { stage: deploy, script: [echo after] }
`
  test('wait for somebody, and for their time', async () => {
    const id = createdId(await house.push(yaml))
    expect(await statesOf(house, id)).toEqual({
      go: 'manual',
      later: 'scheduled',
      after: 'created',
    })
    const stop = new AbortController()
    const running = house.pipelines.run(stop.signal)
    const jobs = await house.pipelines.jobs(id)
    const played = await house.pipelines.play(jobs[0]!.id, user, [{ key: 'WHERE', value: 'here' }])
    expect(played.status).toBe('pending')
    const go = (await runner.take())!
    expect(go.variables.at(-1)).toMatchObject({ key: 'WHERE', value: 'here' })
    await runner.succeed(go)
    expect(await runner.take()).toBeUndefined()
    house.clock.advance(10 * 60_000)
    expect((await runner.take())!.job_info.name).toBe('later')
    stop.abort()
    await running
    await expect(house.pipelines.play(jobs[0]!.id, user)).rejects.toMatchObject({
      code: 'conflict',
      message: 'Unplayable Job',
    })
  })
})

describe('a pipeline', () => {
  test('is deleted with its jobs, logs and ref, and its runner is told', async () => {
    const id = createdId(await house.push(twoStages))
    const job = (await runner.take())!
    await house.pipelines.coordinator.appendTrace(job.id, job.token, 0, Buffer.from('x'))
    await house.pipelines.deletePipeline(id)
    expect(await house.pipelines.get(id)).toBeUndefined()
    expect(house.traces.size + house.kept.size + house.liveTokens.size).toBe(0)
    const late = house.pipelines.coordinator.updateJob(job.id, {
      token: job.token,
      state: 'success',
    })
    await expect(late).rejects.toMatchObject({ code: 'forbidden' })
  })

  test('with a job for downstream says that this is not there yet', async () => {
    const id = createdId(await house.push('down: { trigger: pozos/other }\nup: { script: [make] }'))
    const down = (await house.pipelines.jobs(id)).find(job => job.name === 'down')
    expect(down).toMatchObject({
      status: 'failed',
      failureReason: 'downstream_pipeline_creation_failed',
    })
  })

  test('is listed by page, ref, status and user', async () => {
    await house.push(twoStages)
    await house.push(twoStages, { ref: 'refs/tags/v1' })
    const page = { page: 1, perPage: 20 }
    const listed = async (filter: object) =>
      (await house.pipelines.list(project.id, { ...page, ...filter })).items.map(one => one.ref)
    expect(await listed({})).toEqual(['v1', 'master'])
    expect(await listed({ perPage: 1, page: 2 })).toEqual(['master'])
    expect(await listed({ scope: 'tags' })).toEqual(['v1'])
    expect(await listed({ status: 'success' })).toEqual([])
    expect(await listed({ username: 'ada', ref: 'master' })).toEqual(['master'])
    expect(await listed({ username: 'nobody' })).toEqual([])
  })
})

describe('time', () => {
  test('fails jobs that are stuck, silent or endless', async () => {
    const id = createdId(
      await house.push(
        'a: { script: [make], tags: [gpu] }\nb: { script: [make], timeout: 30 minutes }',
      ),
    )
    const b = (await runner.take())!
    expect(b.runner_info.timeout).toBe(1800)
    house.clock.advance(61 * 60_000)
    const stop = new AbortController()
    const running = house.pipelines.run(stop.signal)
    while ((await house.pipelines.get(id))!.status !== 'failed') {
      await new Promise(resolve => setImmediate(resolve))
    }
    stop.abort()
    await running
    const jobs = await house.pipelines.jobs(id)
    expect(jobs.map(job => job.failureReason)).toEqual([
      'stuck_or_timeout_failure',
      'job_execution_timeout',
    ])
    const late = await house.pipelines.coordinator.updateJob(b.id, {
      token: b.token,
      state: 'success',
    })
    expect(late).toEqual({ accepted: false, status: 'failed' })
  })
})

test('addresses inside jobs are the internal ones, links for people are not', async () => {
  await house.push(twoStages)
  const { variables } = (await runner.take())!
  const shown = (key: string) => variables.findLast(variable => variable.key === key)?.value
  expect(shown('CI_SERVER_URL')).toBe(urls.internal)
  expect(shown('CI_JOB_URL')).toMatch(
    /^http:\/\/localhost:10080\/pozos\/student-list\/-\/jobs\/\d+$/,
  )
})
