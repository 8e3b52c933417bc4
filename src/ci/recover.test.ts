import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type CiHouse,
  createdId,
  handRunner,
  openCi,
  statesOf,
  user,
} from '../../test/support/ci.ts'
import type { JobPayload } from '../protocol/index.ts'
import { isCompleted } from './schedule.ts'

let folder: string
let file: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-ci-'))
  file = join(folder, 'db')
})
afterEach(() => rm(folder, { recursive: true }))

const yaml = `
stages: [test, ship]
unit: { stage: test, script: [make] }
ship: { stage: ship, script: [make] }
`

test('a job that ran in the process that is gone fails and runs once more', async () => {
  const before = await openCi(file)
  const id = createdId(await before.push(yaml))
  const cut = (await (await handRunner(before)).take())!
  await before.close()

  const after = await openCi(file, { shared: before })
  const runner = await handRunner(after)
  expect(await runner.take()).toBeUndefined()
  await after.pipelines.recover()
  const failed = (await after.pipelines.job(cut.id))!
  expect(failed).toMatchObject({ status: 'failed', failureReason: 'runner_system_failure' })
  expect(after.traces.get(cut.id)!.toString()).toContain('Slipway restarted while this job ran')
  expect(after.liveTokens.has(cut.id)).toBe(false)
  expect(await runner.runAll()).toEqual(['unit', 'ship'])
  expect((await after.pipelines.get(id))!.status).toBe('success')
  await after.close()
})

test('a job that was being canceled is canceled, and not tried again', async () => {
  const before = await openCi(file)
  const id = createdId(await before.push(yaml))
  const cut = (await (await handRunner(before)).take())!
  await before.pipelines.cancelPipeline(id, user)
  await before.close()
  const after = await openCi(file)
  await after.pipelines.recover()
  expect((await after.pipelines.job(cut.id))!.status).toBe('canceled')
  expect((await after.pipelines.get(id))!.status).toBe('canceled')
  await after.close()
})

test('a pipeline that was stored and not yet scheduled goes on', async () => {
  const before = await openCi(file)
  const id = createdId(await before.push(yaml))
  await before.close()
  const { DatabaseSync } = await import('node:sqlite')
  const database = new DatabaseSync(file)
  database.exec(`update ci_jobs set status = 'created'; update ci_pipelines set status = 'created'`)
  database.close()
  const after = await openCi(file)
  await after.pipelines.recover()
  expect(after.kept.has(id)).toBe(true)
  expect(await statesOf(after, id)).toEqual({ unit: 'pending', ship: 'created' })
  await after.close()
})

type Move =
  | 'take'
  | 'succeed'
  | 'fail'
  | 'system'
  | 'cancel'
  | 'cancelAll'
  | 'retry'
  | 'play'
  | 'tick'
  | 'restart'
const moves: readonly Move[] = [
  'take',
  'succeed',
  'fail',
  'system',
  'cancel',
  'cancelAll',
  'retry',
  'play',
  'tick',
  'restart',
]

const mixed = `
stages: [one, two, three]
a: { stage: one, script: [make], retry: 1 }
b: { stage: one, script: [make], allow_failure: true }
c: { stage: two, script: [make], when: on_failure }
d: { stage: two, script: [make], when: manual }
e: { stage: two, script: [make], when: delayed, start_in: 5 minutes }
f: { stage: three, script: [make], needs: [a] }
g: { stage: three, script: [make], when: always }
`

/** Plays the moves, then lets everything that can run run, and plays what waits for somebody. */
async function playOut(
  file: string,
  sequence: readonly { move: Move; pick: number }[],
): Promise<string> {
  let house: CiHouse = await openCi(file)
  let runner = await handRunner(house)
  let held: JobPayload[] = []
  const id = createdId(await house.push(mixed))
  const jobs = () => house.pipelines.jobs(id)
  const tick = async () => {
    house.clock.advance(6 * 60_000)
    const stop = new AbortController()
    const round = house.pipelines.run(stop.signal)
    stop.abort()
    await round
  }
  for (const { move, pick } of sequence) {
    const job = held[pick % Math.max(1, held.length)]
    const all = await jobs()
    const target = all[pick % all.length]!
    if (move === 'take') held.push(...[await runner.take()].flatMap(one => one ?? []))
    else if (move === 'succeed' && job) await runner.succeed(job)
    else if (move === 'fail' && job) await runner.fail(job)
    else if (move === 'system' && job) await runner.fail(job, 1, 'runner_system_failure')
    else if (move === 'cancel') await house.pipelines.cancel(target.id, user)
    else if (move === 'cancelAll') await house.pipelines.cancelPipeline(id, user)
    else if (move === 'retry') await house.pipelines.retry(target.id, user).catch(() => {})
    else if (move === 'play') await house.pipelines.play(target.id, user).catch(() => {})
    else if (move === 'tick') await tick()
    else if (move === 'restart') {
      await house.close()
      const at = house.clock.now()
      house = await openCi(file, { shared: house })
      house.clock.advance(Math.max(0, at - house.clock.now()))
      runner = await handRunner(house)
      await house.pipelines.recover()
      held = []
    }
  }
  for (const job of held) await runner.succeed(job)
  for (let round = 0; round < 4; round++) {
    await tick()
    await runner.runAll()
    for (const job of await jobs()) {
      if (job.status === 'manual') await house.pipelines.play(job.id, user)
    }
    await runner.runAll()
  }
  const { status } = (await house.pipelines.get(id))!
  const open = (await jobs()).filter(job => !isCompleted(job.status))
  const tokens = house.liveTokens.size
  await house.close()
  return isCompleted(status) && open.length === 0 && tokens === 0
    ? 'ended'
    : `${status}, ${tokens} tokens, open: ${open.map(job => `${job.name} ${job.status}`).join()}`
}

test('whatever happens, in whatever order, a pipeline ends and no token lives on', async () => {
  const step = fc.record({ move: fc.constantFrom(...moves), pick: fc.nat({ max: 6 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async sequence => {
      const own = join(await mkdtemp(join(folder, 'run-')), 'db')
      expect(await playOut(own, sequence)).toBe('ended')
    }),
    { numRuns: 10, endOnFailure: true },
  )
}, 60_000)
