/** Whose artifacts a job gets. Pure. */
import type { JobRecord } from './ports.ts'

/** In the pipeline's order; those without an archive are left out. `missing` names jobs whose archive is gone although this job needs it. */
export function dependenciesOf(
  job: JobRecord,
  latest: readonly JobRecord[],
  now: number,
): { jobs: JobRecord[]; missing: string[] } {
  const wanted = sourceNames(job)
  const sources = latest.filter(other =>
    wanted ? wanted.has(other.name) : other.plan.stageIndex < job.plan.stageIndex,
  )
  const missing = sources.filter(other => isGone(other, now)).map(other => other.name)
  const jobs = sources.filter(
    other => other.artifacts.some(file => file.type === 'archive') || other.dotenv.length > 0,
  )
  return { jobs, missing }
}

/** Undefined: all of earlier stages. */
function sourceNames(job: JobRecord): Set<string> | undefined {
  const { needs, dependencies } = job.plan
  if (!needs) return dependencies && new Set(dependencies)
  const names = needs.filter(need => need.artifacts).map(need => need.job)
  return new Set(dependencies ? names.filter(name => dependencies.includes(name)) : names)
}

function isGone(job: JobRecord, now: number): boolean {
  if (job.erasedAt !== undefined) return true
  return job.artifactsExpireAt !== undefined && job.artifactsExpireAt <= now
}
