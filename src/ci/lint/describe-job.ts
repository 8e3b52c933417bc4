/** A job in the public form of `slipway lint --format json`: GitLab's names and shapes. */

import type { ConcreteJob } from '../build/concrete.ts'
import { type Built, policyOf } from '../build/pipeline.ts'
import { allowFailureOf, triggerOf, whenOf } from '../build/plan-job.ts'
import type { CacheEntry } from '../entries/cache.ts'
import type { ImageEntry } from '../entries/image.ts'
import type { JobEntry } from '../entries/job.ts'
import type { RootEntry } from '../entries/root.ts'
import type { WhyStep } from '../plan.ts'

/** Keys without a value are absent. */
export interface JobDescription {
  name: string
  stage: string
  stage_index: number
  when: string
  start_in?: string
  allow_failure: boolean
  allow_failure_exit_codes?: number[]
  scheduling: 'stage' | 'dag'
  only_refs?: string[]
  except_refs?: string[]
  rules?: Record<string, unknown>[]
  script?: string[]
  before_script?: string[]
  after_script?: string[]
  hooks?: { pre_get_sources_script?: string[] }
  image?: Record<string, unknown>
  services?: Record<string, unknown>[]
  job_variables: Record<string, string>
  tags?: string[]
  needs?: { name: string; artifacts: boolean; optional: boolean }[]
  cross_dependencies?: Record<string, unknown>[]
  dependencies?: string[]
  cache?: Record<string, unknown>[]
  artifacts?: Record<string, unknown>
  environment?: Record<string, unknown>
  retry?: Record<string, unknown>
  timeout_seconds?: number
  interruptible?: boolean
  parallel?: { total: number; instance: number }
  coverage_regex?: string
  resource_group?: string
  release?: Record<string, unknown>
  trigger?: Record<string, unknown>
  id_tokens?: Record<string, unknown>
  manual_confirmation?: string
  secrets?: Record<string, unknown>
  identity?: string
  pages?: unknown
  publish?: string
  run?: Record<string, unknown>[]
  inputs?: Record<string, unknown>
  /** Would it be in this event's pipeline? */
  included: boolean
  why: WhyStep[]
}

/** `verdict` absent: the event wasn't looked at, because the file has errors. */
export function describeJob(
  job: ConcreteJob,
  root: RootEntry,
  verdict: ReturnType<Built['verdicts']['get']>,
): JobDescription {
  const { entry } = job
  const rule = verdict?.included ? verdict.rule : undefined
  const { allowFailure, allowFailureExitCodes } = allowFailureOf(entry, rule)
  const needs = (rule && job.ruleNeeds.get(rule)) ?? job.needs
  const policy = policyOf(entry, root)
  return drop({
    name: job.name,
    stage: entry.stage,
    stage_index: root.stages.indexOf(entry.stage),
    when: whenOf(entry, rule),
    start_in: rule?.startIn ?? entry.startIn?.text,
    allow_failure: allowFailure,
    allow_failure_exit_codes: allowFailureExitCodes,
    scheduling: needs ? 'dag' : 'stage',
    only_refs: policy.only?.refs,
    except_refs: policy.except?.refs,
    rules: entry.rules?.map(one => one.raw),
    script: entry.script,
    before_script: entry.beforeScript,
    after_script: entry.afterScript,
    hooks: entry.hooks,
    image: entry.image && describeImage(entry.image),
    services: entry.services?.map(describeImage),
    job_variables: variablesOf(job, rule),
    tags: entry.tags,
    needs: needs?.map(({ job: name, artifacts, optional }) => ({ name, artifacts, optional })),
    cross_dependencies: crossOf(entry),
    dependencies: job.dependencies?.map(one => one.job),
    cache: entry.cache?.map(describeCache),
    artifacts: entry.artifacts && describeArtifacts(entry.artifacts),
    environment: entry.environment && describeEnvironment(entry.environment),
    retry: entry.retry && describeRetry(entry.retry),
    timeout_seconds: entry.timeoutSeconds,
    interruptible: rule?.interruptible ?? entry.interruptible,
    parallel: job.parallel && { total: job.parallel[1], instance: job.parallel[0] },
    coverage_regex: entry.coverage,
    resource_group: entry.resourceGroup,
    release: entry.release,
    trigger: entry.trigger && triggerOf(entry.trigger),
    id_tokens: entry.idTokens,
    manual_confirmation: entry.manualConfirmation,
    secrets: entry.secrets,
    identity: entry.identity,
    pages: entry.pages,
    publish: entry.publish,
    run: entry.run,
    inputs: entry.inputs,
    included: verdict?.included ?? false,
    why: verdict?.why ?? [],
  })
}

/** Without keys that have no value. */
export function drop<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as T
}

function variablesOf(
  job: ConcreteJob,
  rule: { variables?: JobEntry['variables'] } | undefined,
): Record<string, string> {
  return Object.fromEntries([
    ...[...job.entry.variables].map(([name, one]) => [name, one.value] as const),
    ...(job.matrix ?? []),
    ...[...(rule?.variables ?? [])].map(([name, one]) => [name, one.value] as const),
  ])
}

function crossOf(entry: JobEntry): Record<string, unknown>[] | undefined {
  const cross = (entry.needs ?? []).flatMap(need => {
    if (need.kind !== 'cross') return []
    const { kind: _kind, mark: _mark, ...rest } = need
    return [drop(rest) as Record<string, unknown>]
  })
  return cross.length > 0 ? cross : undefined
}

function describeImage(image: ImageEntry): Record<string, unknown> {
  const docker = drop({ user: image.dockerUser, platform: image.dockerPlatform })
  return drop({
    name: image.name,
    alias: image.alias,
    entrypoint: image.entrypoint,
    command: image.command,
    pull_policy: image.pullPolicy,
    variables:
      image.variables &&
      Object.fromEntries(Object.entries(image.variables).map(([key, one]) => [key, one.value])),
    docker: Object.keys(docker).length > 0 ? docker : undefined,
  })
}

function describeCache(cache: CacheEntry): Record<string, unknown> {
  const { key } = cache
  const files =
    typeof key === 'object' &&
    (key.by === 'content' ? { files: key.files } : { files_commits: key.files })
  return drop({
    key: typeof key === 'string' ? key : drop({ ...files, prefix: key.prefix }),
    paths: cache.paths.length > 0 ? cache.paths : undefined,
    untracked: cache.untracked || undefined,
    policy: cache.policy,
    when: cache.when,
    unprotect: cache.unprotect,
    fallback_keys: cache.fallbackKeys,
  })
}

function describeArtifacts(artifacts: NonNullable<JobEntry['artifacts']>): Record<string, unknown> {
  const { coverageReport, reports } = artifacts
  if (!Object.hasOwn(artifacts.raw, 'reports')) return artifacts.raw
  return {
    ...artifacts.raw,
    reports: { ...reports, ...(coverageReport && { coverage_report: coverageReport }) },
  }
}

function describeEnvironment(
  environment: NonNullable<JobEntry['environment']>,
): Record<string, unknown> {
  return drop({
    name: environment.name,
    action: environment.action,
    url: environment.url,
    on_stop: environment.onStop,
    auto_stop_in: environment.autoStopIn,
    deployment_tier: environment.tier,
    kubernetes: environment.kubernetes,
  })
}

function describeRetry(retry: NonNullable<JobEntry['retry']>): Record<string, unknown> {
  return drop({ max: retry.max, when: retry.when, exit_codes: retry.exitCodes })
}
