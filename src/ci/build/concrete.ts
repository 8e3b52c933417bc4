/** Jobs after `parallel`: each by its own name, with needs and dependencies that name concrete jobs. */
import type { Mark } from '../config/node.ts'
import type { Reporter } from '../config/problems.ts'
import type { JobEntry } from '../entries/job.ts'
import type { NeedEntry } from '../entries/needs.ts'
import { matrixName, matrixRows, type ParallelEntry } from '../entries/parallel.ts'
import type { RuleEntry } from '../entries/rules.ts'

export interface ConcreteNeed {
  job: string
  artifacts: boolean
  optional: boolean
  mark: Mark
}

export interface ConcreteJob {
  name: string
  entry: JobEntry
  /** `[index, total]`, 1-based. */
  parallel?: [number, number]
  matrix?: ReadonlyMap<string, string>
  /** Undefined: `needs` isn't there (or a bridge mirrors a pipeline). */
  needs?: ConcreteNeed[]
  ruleNeeds: ReadonlyMap<RuleEntry, ConcreteNeed[]>
  dependencies?: { job: string; mark: Mark }[]
}

interface Instance {
  name: string
  parallel?: [number, number]
  matrix?: ReadonlyMap<string, string>
}

/** Expands `parallel` and every name that refers to such a job. */
export function concreteJobs(entries: readonly JobEntry[], report: Reporter): ConcreteJob[] {
  const instances = new Map<string, Instance[]>()
  for (const entry of entries) {
    if (entry.parallel) instances.set(entry.name, instancesOf(entry.name, entry.parallel))
  }
  return entries.flatMap(entry =>
    (instances.get(entry.name) ?? [{ name: entry.name }]).map(instance => ({
      ...instance,
      entry,
      ...namesOf(entry, instance, instances, report),
    })),
  )
}

function instancesOf(base: string, parallel: ParallelEntry): Instance[] {
  if (parallel.kind === 'number') {
    const { total } = parallel
    return Array.from({ length: total }, (_, at) => ({
      name: `${base} ${at + 1}/${total}`,
      parallel: [at + 1, total],
    }))
  }
  const rows = matrixRows(parallel.matrix)
  return rows.map((matrix, at) => ({
    name: matrixName(base, matrix),
    parallel: [at + 1, rows.length],
    matrix,
  }))
}

function namesOf(
  entry: JobEntry,
  instance: Instance,
  instances: ReadonlyMap<string, Instance[]>,
  report: Reporter,
): Pick<ConcreteJob, 'needs' | 'ruleNeeds' | 'dependencies'> {
  const expand = (needs: readonly NeedEntry[]) =>
    needs.flatMap(need => concreteNeeds(need, entry, instance, instances, report))
  const isMirror = entry.needs?.some(need => need.kind === 'bridge') ?? false
  const ruleNeeds = (entry.rules ?? []).flatMap(rule =>
    rule.needs?.length ? [[rule, expand(rule.needs)] as const] : [],
  )
  return {
    needs: entry.needs && !isMirror ? expand(entry.needs) : undefined,
    ruleNeeds: new Map(ruleNeeds),
    dependencies: entry.dependencies?.flatMap(one =>
      (instances.get(one.job) ?? [{ name: one.job }]).map(({ name }) => ({
        job: name,
        mark: one.mark,
      })),
    ),
  }
}

function concreteNeeds(
  need: NeedEntry,
  entry: JobEntry,
  instance: Instance,
  instances: ReadonlyMap<string, Instance[]>,
  report: Reporter,
): ConcreteNeed[] {
  if (need.kind !== 'job') return []
  const { artifacts, optional, mark } = need
  const all = instances.get(need.job)
  const names = !all
    ? [need.job]
    : need.parallel
      ? matrixRows(ownValues(need.parallel.matrix, entry, instance, report)).map(row =>
          matrixName(need.job, row),
        )
      : all.map(one => one.name)
  return names.map(job => ({ job, artifacts, optional, mark }))
}

/** `$[[ matrix.KEY ]]` in a selector is the needing job's own value. */
function ownValues(
  matrix: readonly ReadonlyMap<string, string[]>[],
  entry: JobEntry,
  instance: Instance,
  report: Reporter,
): ReadonlyMap<string, string[]>[] {
  const own = (text: string) =>
    text.replace(/\$\[\[\s*matrix\.([\w-]+)\s*\]\]/g, (found, key: string) => {
      const value = instance.matrix?.get(key) ?? entry.variables.get(key)?.value
      if (value !== undefined) return value
      report.error(
        entry.mark,
        `${entry.name} job: '${key}' does not exist in matrix configuration`,
        {
          job: entry.name,
        },
      )
      return found
    })
  return matrix.map(row => new Map([...row].map(([name, values]) => [name, values.map(own)])))
}
