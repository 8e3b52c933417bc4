/** The valid configuration and the event → the pipeline, or the reason why there is none. */
import type { Mark } from '../config/node.ts'
import type { Reporter } from '../config/problems.ts'
import type { CompileContext, Compiled } from '../context.ts'
import { decidePolicy } from '../decide/policy.ts'
import { firstMatch } from '../decide/rules.ts'
import { type VariableScope, variableScope } from '../decide/variables.ts'
import { type World, worldOf } from '../decide/world.ts'
import type { JobEntry } from '../entries/job.ts'
import type { RootEntry } from '../entries/root.ts'
import type { AutoCancelEntry } from '../entries/rules.ts'
import { planVariables } from '../entries/variables.ts'
import type { Pattern } from '../expression/regex.ts'
import type { Plan, PlanVariable, WhyStep } from '../plan.ts'
import { cacheKey } from './cache-key.ts'
import type { ConcreteJob } from './concrete.ts'
import { planJob, type Verdict } from './plan-job.ts'

export interface BuildInput {
  root: RootEntry
  jobs: readonly ConcreteJob[]
  context: CompileContext
  report: Reporter
  pattern: (source: string) => Pattern | undefined
  /** Lets others run between jobs. */
  pause: () => Promise<void>
}

export interface WorkflowVerdict {
  created: boolean
  name?: string
  autoCancel?: AutoCancelEntry
  why: WhyStep[]
}

/** Everything that is known about one event's pipeline. */
export interface Built extends Omit<Compiled, 'problems'> {
  workflow: WorkflowVerdict
  /** Of every job, included or not. */
  verdicts: ReadonlyMap<ConcreteJob, Verdict & { included: boolean }>
}

export const emptyPipelineText =
  'The resulting pipeline would have been empty. Review the rules configuration for the relevant jobs.'
export const workflowText =
  'The pipeline did not run. Review the workflow:rules configuration for the pipeline.'

const maxNeeds = 50

export async function buildPipeline(input: BuildInput): Promise<Built> {
  const { root, jobs, context, report } = input
  const world = worldOf(context, input.pattern)
  const rootScope = variableScope(context.variables, root.variables)
  const workflow = await decideWorkflow(input, world, rootScope)
  const verdicts = new Map<ConcreteJob, Verdict & { included: boolean }>()
  for (const job of jobs) {
    verdicts.set(job, await decideJob(job, workflow.variables, input, world))
    await input.pause()
  }
  const chosen = jobs.filter(job => verdicts.get(job)!.included)
  const left = jobs
    .filter(job => !verdicts.get(job)!.included)
    .map(job => ({ name: job.name, stage: job.entry.stage, why: verdicts.get(job)!.why }))
  const built = { workflow: workflow.verdict, verdicts, left }
  if (!workflow.verdict.created) return { ...built, reason: workflowText }
  checkChosen(chosen, verdicts, report)
  if (report.hasErrors) return built
  if (!chosen.some(job => job.entry.stage !== '.pre' && job.entry.stage !== '.post')) {
    return { ...built, reason: emptyPipelineText }
  }
  return { ...built, pipeline: await planOf(input, chosen, verdicts, workflow.verdict) }
}

interface WorkflowOutcome {
  verdict: WorkflowVerdict
  /** Root variables with those of the workflow's rule. */
  variables: ReadonlyMap<string, PlanVariable>
}

async function decideWorkflow(
  { root, report }: BuildInput,
  world: World,
  scope: VariableScope,
): Promise<WorkflowOutcome> {
  const { rules, name, autoCancel } = root.workflow
  const found = rules ? await firstMatch(rules, scope, world, 'workflow:rules') : undefined
  if (found?.problem !== undefined && root.workflow.mark) {
    report.error(root.workflow.mark, `Failed to parse rule for workflow: ${found.problem}`)
  }
  const rule = found?.rule
  const created = !found || (rule !== undefined && rule.when !== 'never')
  const variables = new Map<string, PlanVariable>([...root.variables, ...(rule?.variables ?? [])])
  const expanded =
    name &&
    scope
      .with(rule?.variables ?? [])
      .expand(name, 'empty')
      .trim()
  const chosen = { ...autoCancel, ...rule?.autoCancel }
  return {
    verdict: {
      created,
      ...(expanded && { name: expanded }),
      ...(Object.keys(chosen).length > 0 && { autoCancel: chosen }),
      why: found?.why ?? [],
    },
    variables,
  }
}

async function decideJob(
  job: ConcreteJob,
  rootVariables: ReadonlyMap<string, PlanVariable>,
  input: BuildInput,
  world: World,
): Promise<Verdict & { included: boolean }> {
  const { entry } = job
  const { context } = input
  const before = yamlVariables(job, rootVariables)
  const scope = scopeOf(context, entry, before)
  if (entry.rules) {
    const found = await firstMatch(entry.rules, scope, world, 'rules')
    if (found.problem !== undefined) {
      const text = `Failed to parse rule for ${job.name}: ${found.problem}`
      input.report.error(entry.mark, text, { job: job.name })
    }
    const { rule } = found
    const included = rule !== undefined && (rule.when ?? entry.when) !== 'never'
    const variables = new Map([...before, ...(rule?.variables ?? [])])
    const after = rule?.variables ? scopeOf(context, entry, variables) : scope
    return { included, rule, variables, scope: after, why: found.why }
  }
  const policy = await decidePolicy({
    ...policyOf(entry, input.root),
    context,
    scope,
    world,
    pattern: input.pattern,
  })
  return { included: policy.included, variables: before, scope, why: policy.why }
}

/** `only` without `refs` keeps the default ones; neither `only` nor `except` nor rules anywhere: branches and tags. */
export function policyOf(entry: JobEntry, root: RootEntry): Pick<JobEntry, 'only' | 'except'> {
  const refs = ['branches', 'tags']
  if (entry.only) return { only: { refs, ...entry.only }, except: entry.except }
  if (entry.rules || root.workflow.rules) return { except: entry.except }
  return { only: { refs, mark: entry.mark }, except: entry.except }
}

function yamlVariables(
  job: ConcreteJob,
  root: ReadonlyMap<string, PlanVariable>,
): Map<string, PlanVariable> {
  const { inheritVariables, variables } = job.entry
  const isInherited = (name: string) =>
    typeof inheritVariables === 'boolean' ? inheritVariables : inheritVariables.includes(name)
  const matrix = [...(job.matrix ?? [])].map(
    ([name, value]) => [name, { value, expand: true }] as const,
  )
  return new Map([...[...root].filter(([name]) => isInherited(name)), ...variables, ...matrix])
}

function scopeOf(
  context: CompileContext,
  entry: JobEntry,
  yaml: ReadonlyMap<string, PlanVariable>,
): VariableScope {
  const scope = variableScope(context.variables, yaml)
  const isScoped = context.variables.some(
    one => one.environmentScope !== undefined && one.environmentScope !== '*',
  )
  if (!entry.environment || !isScoped) return scope
  return variableScope(context.variables, yaml, scope.expand(entry.environment.name, 'empty'))
}

function checkChosen(
  chosen: readonly ConcreteJob[],
  verdicts: Built['verdicts'],
  report: Reporter,
): void {
  const names = new Set(chosen.map(job => job.name))
  for (const job of chosen) {
    const { rule, scope } = verdicts.get(job)!
    const needs = (rule && job.ruleNeeds.get(rule)) ?? job.needs ?? []
    if (needs.length > maxNeeds) {
      report.error(
        needs[0]!.mark,
        `${job.name}: one job can only need ${maxNeeds} others, but you have listed ${needs.length}. See needs keyword documentation for more details`,
        { job: job.name },
      )
    }
    for (const need of needs) {
      if (need.optional || names.has(need.job)) continue
      const text = `'${job.name}' job needs '${need.job}' job, but '${need.job}' does not exist in the pipeline. This might be because of the only, except, or rules keywords. To need a job that sometimes does not exist in the pipeline, use needs:optional.`
      report.error(need.mark, text, {
        job: job.name,
        hint: `add \`optional: true\`, or give both jobs the same rules`,
      })
    }
    const cycle = scope.cycle()
    if (cycle) reportVariableCycle(job.name, cycle, job.entry.mark, report)
  }
}

function reportVariableCycle(name: string, cycle: string[], mark: Mark, report: Reporter): void {
  const list = JSON.stringify(cycle).replaceAll(',', ', ')
  report.error(mark, `${name}: circular variable reference detected: ${list}`, {
    job: name,
    hint: 'one of them has to have a value that refers to none of the others',
  })
}

async function planOf(
  input: BuildInput,
  chosen: readonly ConcreteJob[],
  verdicts: Built['verdicts'],
  workflow: WorkflowVerdict,
): Promise<Plan> {
  const { root, context } = input
  const index = new Map(root.stages.map((stage, at) => [stage, at]))
  const jobs: Plan['jobs'] = []
  const names = new Set(chosen.map(job => job.name))
  for (const job of chosen) {
    const caches = job.entry.cache ?? []
    const keys = await Promise.all(caches.map((cache, at) => cacheKey(cache, at, context.reader)))
    const plan = planJob(job, index.get(job.entry.stage)!, verdicts.get(job)!, keys)
    // An optional need that isn't part of the pipeline holds nothing.
    jobs.push(
      plan.needs ? { ...plan, needs: plan.needs.filter(need => names.has(need.job)) } : plan,
    )
    await input.pause()
  }
  jobs.sort((a, b) => a.stageIndex - b.stageIndex)
  return {
    ...(workflow.name !== undefined && { name: workflow.name }),
    stages: root.stages,
    jobs,
    variables: planVariables(root.variables),
    ...(workflow.autoCancel && {
      autoCancel: {
        onNewCommit: workflow.autoCancel.onNewCommit ?? 'conservative',
        onJobFailure: workflow.autoCancel.onJobFailure ?? 'none',
      },
    }),
  }
}
