/** Checks that need all jobs at once: stages, needs, dependencies, environments, cycles. */
import type { Mark } from '../config/node.ts'
import { didYouMean, type Reporter } from '../config/problems.ts'
import type { ConcreteJob, ConcreteNeed } from './concrete.ts'

const maxNameLength = 255

/** Reports everything that doesn't fit together. */
export async function checkJobs(
  jobs: readonly ConcreteJob[],
  stages: readonly string[],
  report: Reporter,
  pause: () => Promise<void>,
): Promise<void> {
  const world: JobWorld = {
    report,
    byName: new Map(jobs.map(job => [job.name, job])),
    stageIndex: new Map(stages.map((stage, index) => [stage, index])),
  }
  checkNamesAreUnique(jobs, world)
  for (const job of jobs) {
    if (report.isFull) return
    await pause()
    checkStage(job, stages, world)
    for (const one of job.dependencies ?? []) checkRelation(job, one, 'dependency', world)
    for (const one of job.entry.trigger?.artifactJobs ?? []) {
      checkRelation(job, one, 'dependency', world)
    }
    for (const needs of [job.needs, ...job.ruleNeeds.values()]) {
      if (needs) checkNeeds(job, needs, world)
    }
    checkOnStop(job, world)
  }
  checkCycles(jobs, world)
}

interface JobWorld {
  report: Reporter
  byName: ReadonlyMap<string, ConcreteJob>
  stageIndex: ReadonlyMap<string, number>
}

function fail(world: JobWorld, job: ConcreteJob, mark: Mark, text: string, hint?: string): void {
  world.report.error(mark, text, { job: job.name, hint })
}

function checkNamesAreUnique(jobs: readonly ConcreteJob[], world: JobWorld): void {
  for (const job of jobs) {
    if (world.byName.get(job.name) === job) continue
    const text = `${job.name} job: two jobs have this name after parallel expansion`
    fail(world, job, job.entry.mark, text, 'rename one of them')
  }
}

function checkStage(job: ConcreteJob, stages: readonly string[], world: JobWorld): void {
  const { stage, stageMark } = job.entry
  if (world.stageIndex.has(stage)) return
  fail(
    world,
    job,
    stageMark,
    `${job.entry.name} job: chosen stage ${stage} does not exist; available stages are ${stages.join(', ')}`,
    didYouMean(stage, stages) ?? `add \`${stage}\` to \`stages\``,
  )
}

function checkRelation(
  job: ConcreteJob,
  other: { job: string; mark: Mark; optional?: boolean },
  kind: 'need' | 'dependency',
  world: JobWorld,
): void {
  const target = world.byName.get(other.job)
  if (!target) {
    if (other.optional) return
    const hint = didYouMean(other.job, world.byName.keys())
    fail(world, job, other.mark, `${job.name} job: undefined ${kind}: ${other.job}`, hint)
    return
  }
  if (kind === 'need' && other.job.length > maxNameLength) {
    const text = `${job.name} job: need \`${other.job}\` name is too long (maximum is ${maxNameLength} characters)`
    fail(world, job, other.mark, text)
  }
  const mine = world.stageIndex.get(job.entry.stage)
  const theirs = world.stageIndex.get(target.entry.stage)
  if (mine === undefined || theirs === undefined || theirs <= mine) return
  fail(
    world,
    job,
    other.mark,
    `${job.name} job: ${kind} ${other.job} is not defined in current or prior stages`,
    `\`${other.job}\` runs in stage ${target.entry.stage}, after ${job.entry.stage}`,
  )
}

function checkNeeds(job: ConcreteJob, needs: readonly ConcreteNeed[], world: JobWorld): void {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const need of needs) {
    checkRelation(job, need, 'need', world)
    if (seen.has(need.job)) twice.add(need.job)
    seen.add(need.job)
  }
  if (twice.size === 0) return
  const text = `${job.name} has the following needs duplicated: ${[...twice].join(', ')}.`
  fail(world, job, needs[0]!.mark, text)
}

function checkOnStop(job: ConcreteJob, world: JobWorld): void {
  const environment = job.entry.environment
  if (environment?.onStop === undefined) return
  const stop = world.byName.get(environment.onStop)
  const start = `${job.name} job: on_stop job ${environment.onStop}`
  const text = !stop
    ? `${start} is not defined`
    : !stop.entry.environment
      ? `${start} does not have environment defined`
      : stop.entry.environment.name !== environment.name
        ? `${start} have different environment name`
        : stop.entry.environment.action !== 'stop'
          ? `${start} needs to have action stop defined`
          : undefined
  if (text !== undefined) fail(world, job, environment.mark, text)
}

function checkCycles(jobs: readonly ConcreteJob[], world: JobWorld): void {
  const done = new Set<ConcreteJob>()
  for (const first of jobs) {
    const path: { job: ConcreteJob; next: number }[] = [{ job: first, next: 0 }]
    while (path.length > 0) {
      const top = path[path.length - 1]!
      const need = done.has(top.job) ? undefined : top.job.needs?.[top.next++]
      if (!need) {
        done.add(top.job)
        path.pop()
        continue
      }
      const target = world.byName.get(need.job)
      if (!target || done.has(target)) continue
      const at = path.findIndex(one => one.job === target)
      if (at !== -1) {
        reportCycle(
          path.slice(at).map(one => one.job),
          need,
          world,
        )
        return
      }
      path.push({ job: target, next: 0 })
    }
  }
}

function reportCycle(cycle: readonly ConcreteJob[], need: ConcreteNeed, world: JobWorld): void {
  const names = cycle.map(job => job.name)
  const detail =
    names.length === 1
      ? `self-dependency: ${names[0]}`
      : `topological sort failed: ${JSON.stringify(names).replaceAll(',', ', ')}`
  const text = `The pipeline has circular dependencies: ${detail}`
  fail(world, cycle.at(-1)!, need.mark, text, [...names, names[0]].join(' needs '))
}
