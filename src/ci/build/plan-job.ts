/** A concrete job that is part of the pipeline → what the plan keeps of it. */

import type { VariableScope } from '../decide/variables.ts'
import type { CacheEntry } from '../entries/cache.ts'
import { isEnvironmentName } from '../entries/environment.ts'
import { planImage } from '../entries/image.ts'
import type { JobEntry } from '../entries/job.ts'
import type { RuleEntry } from '../entries/rules.ts'
import { planVariables } from '../entries/variables.ts'
import type { PlanJob, PlanVariable, WhyStep } from '../plan.ts'
import type { ConcreteJob } from './concrete.ts'

/** What the decision about a job came to. */
export interface Verdict {
  rule?: RuleEntry
  /** Root, workflow, job, matrix and rule variables, in that order. */
  variables: ReadonlyMap<string, PlanVariable>
  scope: VariableScope
  why: WhyStep[]
}

export function planJob(
  job: ConcreteJob,
  stageIndex: number,
  verdict: Verdict,
  cacheKeys: readonly string[],
): PlanJob {
  const { entry } = job
  const { rule, scope } = verdict
  const when = whenOf(entry, rule)
  const startIn = when === 'delayed' ? (rule?.startInSeconds ?? entry.startIn?.seconds) : undefined
  const needs = (rule && job.ruleNeeds.get(rule)) ?? job.needs
  return compact({
    name: job.name,
    stage: entry.stage,
    stageIndex,
    when,
    startInSeconds: startIn,
    ...allowFailureOf(entry, rule),
    needs: needs?.map(({ mark: _, ...need }) => need),
    dependencies: job.dependencies?.map(one => one.job),
    tags: (entry.tags ?? []).map(tag => scope.expand(tag, 'keep')),
    image: entry.image && planImage(entry.image),
    services: (entry.services ?? []).map(planImage),
    variables: planVariables(verdict.variables),
    beforeScript: entry.beforeScript ?? [],
    script: entry.script ?? [],
    afterScript: entry.afterScript ?? [],
    artifacts: artifactsOf(entry),
    cache: (entry.cache ?? []).map((cache, index) => cacheOf(cache, cacheKeys[index]!)),
    retry: retryOf(entry),
    timeoutSeconds: entry.timeoutSeconds,
    interruptible: rule?.interruptible ?? entry.interruptible ?? false,
    environment: environmentOf(entry, scope),
    resourceGroup: resourceGroupOf(entry, scope),
    coverageRegex: entry.coverage,
    parallel: job.parallel,
    extra: extraOf(entry),
    why: verdict.why,
  })
}

/** Drops keys without a value, so that plans compare and store the same. */
function compact<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as T
}

/** A rule's `when`, else the job's, else on_success. */
export function whenOf(entry: JobEntry, rule: RuleEntry | undefined): PlanJob['when'] {
  const when = rule?.when ?? entry.when ?? 'on_success'
  return when === 'never' ? 'on_success' : when
}

/** A manual job is optional only if the job itself says manual; one that a rule makes manual blocks. */
export function allowFailureOf(
  entry: JobEntry,
  rule: RuleEntry | undefined,
): Pick<PlanJob, 'allowFailure' | 'allowFailureExitCodes'> {
  if (rule?.allowFailure !== undefined) return { allowFailure: rule.allowFailure }
  return {
    allowFailure: entry.allowFailure ?? entry.when === 'manual',
    allowFailureExitCodes: entry.allowFailureExitCodes,
  }
}

function artifactsOf(entry: JobEntry): PlanJob['artifacts'] {
  if (!entry.artifacts) return undefined
  const { raw: _raw, mark: _mark, coverageReport, ...artifacts } = entry.artifacts
  return compact({ ...artifacts, coverageFormat: coverageReport?.coverage_format })
}

function cacheOf(cache: CacheEntry, key: string): PlanJob['cache'][number] {
  const { mark: _, ...rest } = cache
  return { ...rest, key, policy: cache.policy as PlanJob['cache'][number]['policy'] }
}

/** Without `max` nothing is retried; `when` is always, unless only exit codes are listed. */
export function retryOf(entry: JobEntry): PlanJob['retry'] {
  const retry = entry.retry
  if (!retry) return { max: 0, when: ['always'], exitCodes: [] }
  const exitCodes = retry.exitCodes ?? []
  const when = retry.when ?? (exitCodes.length > 0 ? [] : ['always'])
  return { max: retry.max ?? 0, when, exitCodes }
}

/** Undefined also when the expanded name is no valid one: then the job runs without environment. */
function environmentOf(entry: JobEntry, scope: VariableScope): PlanJob['environment'] {
  const environment = entry.environment
  if (!environment) return undefined
  const name = scope.expand(environment.name, 'empty')
  if (!isEnvironmentName(name)) return undefined
  const expanded = (text: string | undefined) =>
    text === undefined ? undefined : scope.expand(text, 'keep')
  return compact({
    name,
    url: expanded(environment.url),
    action: environment.action,
    onStop: environment.onStop,
    autoStopIn: expanded(environment.autoStopIn),
    tier: environment.tier,
  })
}

function resourceGroupOf(entry: JobEntry, scope: VariableScope): string | undefined {
  if (entry.resourceGroup === undefined) return undefined
  const key = scope.expand(entry.resourceGroup, 'empty')
  return /^\s*$/.test(key) ? undefined : key
}

function extraOf(entry: JobEntry): Record<string, unknown> | undefined {
  const cross = (entry.needs ?? []).flatMap(need => {
    if (need.kind !== 'cross') return []
    const { kind: _kind, mark: _mark, ...rest } = need
    return [rest]
  })
  const mirrored = entry.needs?.find(need => need.kind === 'bridge')
  const extra = compact({
    trigger: entry.trigger && triggerOf(entry.trigger),
    bridge_needs: mirrored && { pipeline: mirrored.pipeline },
    cross_dependencies: cross.length > 0 ? cross : undefined,
    release: entry.release,
    hooks: entry.hooks,
    id_tokens: entry.idTokens,
    secrets: entry.secrets,
    identity: entry.identity,
    run: entry.run,
    pages: entry.pages,
    publish: entry.publish,
    inputs: entry.inputs,
    manual_confirmation: entry.manualConfirmation,
    dast_configuration: entry.dast,
  })
  return Object.keys(extra).length === 0 ? undefined : extra
}

/** `trigger` as GitLab's processed configuration has it. */
export function triggerOf(trigger: NonNullable<JobEntry['trigger']>): Record<string, unknown> {
  const { artifactJobs: _jobs, mark: _mark, ...rest } = trigger
  return rest
}
