import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compositeStatus } from './composite.ts'
import type { JobState } from './model.ts'
import { advance, isCompleted, jobsToRevive, type SchedulableJob } from './schedule.ts'

function job(
  name: string,
  stageIndex: number,
  extra: Partial<SchedulableJob> = {},
): SchedulableJob {
  const id = Number(name.replace(/\D/g, '')) || name.charCodeAt(0)
  return {
    id,
    name,
    stageIndex,
    status: 'created',
    when: 'on_success',
    allowFailure: false,
    ...extra,
  }
}

function changes(jobs: SchedulableJob[], now?: number) {
  const names = new Map(jobs.map(one => [one.id, one.name]))
  return Object.fromEntries(advance(jobs, now).changes.map(one => [names.get(one.id), one.status]))
}

const needs = (...names: string[]) => names.map(name => ({ job: name }))

describe('compositeStatus', () => {
  const of = (...states: (JobState | [JobState, 'allowed'])[]) =>
    compositeStatus(
      states.map(one =>
        typeof one === 'string'
          ? { status: one, allowFailure: false }
          : { status: one[0], allowFailure: true },
      ),
    )
  it.each<[JobState, Parameters<typeof of>]>([
    ['success', []],
    ['skipped', ['skipped', ['manual', 'allowed']]],
    ['success', ['success', ['failed', 'allowed'], 'skipped']],
    ['created', ['created', ['failed', 'allowed']]],
    ['canceled', ['canceled', 'success']],
    ['pending', ['pending', 'created']],
    ['running', ['success', 'pending']],
    ['running', ['running', 'failed']],
    ['waiting_for_resource', ['waiting_for_resource', 'failed']],
    ['manual', ['failed', 'manual']],
    ['manual', ['success', 'manual', 'created']],
    ['scheduled', ['scheduled', 'success']],
    ['running', ['success', 'created']],
    ['canceling', ['canceling', 'success']],
    ['failed', ['failed', 'success', 'canceled']],
  ])('%s for %j', (expected, states) => {
    expect(of(...states)).toBe(expected)
  })
})

describe('advance', () => {
  it('starts the first stage and holds the others', () => {
    expect(changes([job('a', 1), job('b', 1), job('c', 2)])).toEqual({ a: 'pending', b: 'pending' })
  })

  it('skips what follows a failure, except on_failure and always', () => {
    const jobs = [
      job('a', 1, { status: 'failed' }),
      job('b', 2),
      job('c', 3, { when: 'on_failure' }),
      job('d', 3, { when: 'always' }),
    ]
    expect(changes(jobs)).toEqual({ b: 'skipped', c: 'pending', d: 'pending' })
  })

  it('does not run always after a purely canceled past', () => {
    const jobs = [job('a', 1, { status: 'canceled' }), job('b', 2, { when: 'always' })]
    expect(changes(jobs)).toEqual({ b: 'skipped' })
  })

  it('lets an optional manual job hold nothing in stage mode', () => {
    const jobs = [job('a', 1, { when: 'manual', allowFailure: true }), job('b', 2)]
    expect(changes(jobs)).toEqual({ a: 'manual', b: 'pending' })
  })

  it('lets a blocking manual job hold later stages', () => {
    const jobs = [job('a', 1, { when: 'manual' }), job('b', 2)]
    expect(changes(jobs)).toEqual({ a: 'manual' })
    expect(advance(jobs).status).toBe('manual')
  })

  it('skips a DAG job that needs an unplayed optional manual job', () => {
    const jobs = [
      job('a', 1, { when: 'manual', allowFailure: true }),
      job('b', 2, { needs: needs('a') }),
    ]
    expect(changes(jobs)).toEqual({ a: 'manual', b: 'skipped' })
  })

  it('starts needs: [] at once and DAG jobs as soon as their needs are done', () => {
    const jobs = [
      job('a', 1, { status: 'running' }),
      job('b', 1, { status: 'success' }),
      job('c', 3, { needs: [] }),
      job('d', 3, { needs: needs('b') }),
      job('e', 3, { needs: needs('a', 'b') }),
      job('f', 3),
    ]
    expect(changes(jobs)).toEqual({ c: 'pending', d: 'pending' })
  })

  it('ignores needs that are not in the pipeline', () => {
    expect(changes([job('a', 1, { needs: needs('gone') })])).toEqual({ a: 'pending' })
  })

  it('delays, and starts when due', () => {
    const delayed = job('a', 1, { when: 'delayed', startInSeconds: 60 })
    expect(advance([delayed], 1000).changes).toEqual([
      { id: delayed.id, status: 'scheduled', scheduledAt: 61_000 },
    ])
    const waiting: SchedulableJob = { ...delayed, status: 'scheduled', scheduledAt: 61_000 }
    expect(changes([waiting], 60_999)).toEqual({})
    expect(changes([waiting], 61_000)).toEqual({ a: 'pending' })
  })

  it('sends jobs with a resource group to wait for it', () => {
    expect(changes([job('a', 1, { resourceGroup: 'g' })])).toEqual({ a: 'waiting_for_resource' })
  })

  it('ends on cyclic needs, which the compiler refuses', () => {
    const jobs = [job('a', 1, { needs: needs('b') }), job('b', 1, { needs: needs('a') })]
    expect(changes(jobs)).toEqual({})
  })

  it('revives skipped jobs after a retry', () => {
    const jobs = [
      job('a', 1, { status: 'pending' }),
      job('b', 2, { status: 'skipped' }),
      job('c', 1, { status: 'skipped', needs: needs('a') }),
      job('d', 1, { status: 'skipped', needs: needs('c') }),
      job('e', 1, { status: 'skipped' }),
    ]
    expect(jobsToRevive(jobs, jobs[0]!.id)).toEqual([jobs[1]!.id, jobs[2]!.id, jobs[3]!.id])
  })
})

/** Pipelines of up to 12 jobs in 4 stages with needs on earlier jobs. */
const pipelines = fc
  .array(
    fc.record({
      stageIndex: fc.nat(3),
      when: fc.constantFrom<SchedulableJob['when']>(
        'on_success',
        'on_failure',
        'always',
        'manual',
        'delayed',
      ),
      allowFailure: fc.boolean(),
      needs: fc.option(fc.array(fc.nat(11), { maxLength: 3 }), { nil: undefined }),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map(all => {
    const sorted = [...all].sort((a, b) => a.stageIndex - b.stageIndex)
    return sorted.map(
      (one, at): SchedulableJob => ({
        ...one,
        id: at + 1,
        name: `j${at + 1}`,
        status: 'created',
        startInSeconds: 1,
        needs: one.needs?.filter(other => other < at).map(other => ({ job: `j${other + 1}` })),
      }),
    )
  })

function apply(jobs: readonly SchedulableJob[], now: number): SchedulableJob[] {
  const byId = new Map(advance(jobs, now).changes.map(one => [one.id, one]))
  return jobs.map(one => ({ ...one, ...byId.get(one.id) }))
}

describe('any pipeline', () => {
  it('is at a fixpoint after one call', () => {
    fc.assert(
      fc.property(pipelines, jobs => {
        expect(advance(apply(jobs, 0), 0).changes).toEqual([])
      }),
    )
  })

  it('always ends, and no job starts before its needs', () => {
    const outcomes = fc.array(fc.constantFrom<JobState>('success', 'failed', 'canceled'), {
      minLength: 12,
      maxLength: 12,
    })
    fc.assert(
      fc.property(pipelines, outcomes, (start, results) => {
        const isSettled = (one: SchedulableJob) =>
          isCompleted(one.status) || (one.status === 'manual' && one.allowFailure)
        let jobs = start
        // One job ends (or is played) at a time; every delay is over by the next step.
        for (let step = 0; step < 3 * start.length + 3; step++) {
          const before = jobs
          jobs = apply(jobs, step * 10_000)
          for (const [at, one] of jobs.entries()) {
            if (one.status !== 'pending' || before[at]!.status !== 'created') continue
            const needed = jobs.filter(other => one.needs?.some(need => need.job === other.name))
            expect(needed.every(isSettled)).toBe(true)
          }
          const next = jobs.find(one => one.status === 'pending' || one.status === 'manual')
          jobs = jobs.map(one => (one === next ? { ...one, status: results[one.id - 1]! } : one))
        }
        expect(jobs.filter(one => !isCompleted(one.status))).toEqual([])
      }),
      { numRuns: 500 },
    )
  })

  it('does not depend on the order of jobs within the list', () => {
    fc.assert(
      fc.property(pipelines, jobs => {
        const byId = (list: { id: number; status: JobState }[]) =>
          [...list].sort((a, b) => a.id - b.id)
        expect(byId(advance([...jobs].reverse(), 0).changes)).toEqual(
          byId(advance(jobs, 0).changes),
        )
      }),
    )
  })
})
