/** Text → checked configuration → decisions: everything that `compile`, lint and explanations are made of. */

import { checkJobs } from './build/checks.ts'
import { type ConcreteJob, concreteJobs } from './build/concrete.ts'
import { type BuildInput, type Built, buildPipeline } from './build/pipeline.ts'
import { applyExtends } from './config/extends.ts'
import type { LoadSession } from './config/include.ts'
import { loadFile } from './config/load.ts'
import type { MapNode } from './config/node.ts'
import { type Mark, sourceFile } from './config/node.ts'
import { Refusal, type Reporter, reporter } from './config/problems.ts'
import { resolveReferences } from './config/reference.ts'
import type { CompileContext } from './context.ts'
import { variableScope } from './decide/variables.ts'
import { worldOf } from './decide/world.ts'
import { type RootEntry, readRoot } from './entries/root.ts'
import { type Pattern, patternCache } from './expression/regex.ts'
import type { Problem } from './plan.ts'

export interface Analysis {
  problems: Problem[]
  /** After includes, `extends` and `!reference`. Absent after an error before that. */
  merged?: MapNode
  root?: RootEntry
  jobs?: ConcreteJob[]
  /** Absent when there are errors. */
  built?: Built
}

const defaultFile = '.gitlab-ci.yml'

/** Never throws on what the user wrote. */
export async function analyse(
  text: string,
  context: CompileContext,
  maxFileSize = Number.POSITIVE_INFINITY,
): Promise<Analysis> {
  const report = reporter()
  const merged = await mergedConfiguration(text, context, report, maxFileSize)
  if (!merged) return { problems: [...report.problems] }
  const pause = pauser()
  const root = await readRoot(merged, report, pause)
  await pause()
  const jobs = concreteJobs(root.jobs, report)
  await pause()
  await checkJobs(jobs, root.stages, report, pause)
  warnUnsupported(jobs, report)
  const analysis: Analysis = { problems: [], merged, root, jobs }
  if (!report.hasErrors) {
    const pattern: (source: string) => Pattern | undefined = patternCache()
    const input: BuildInput = { root, jobs, context, report, pattern, pause }
    analysis.built = await buildPipeline(input)
  }
  return { ...analysis, problems: [...report.problems] }
}

async function mergedConfiguration(
  text: string,
  context: CompileContext,
  report: Reporter,
  maxFileSize: number,
): Promise<MapNode | undefined> {
  const file = context.file ?? defaultFile
  const start: Mark = { file: sourceFile(file, ''), offset: 0 }
  if (/^\s*$/.test(text)) {
    report.error(start, 'Please provide content of .gitlab-ci.yml')
    return undefined
  }
  const pattern = patternCache()
  const session: LoadSession = {
    context,
    scope: variableScope(context.variables),
    world: worldOf(context, pattern),
    report,
    included: 0,
    size: 0,
    startedAt: performance.now(),
    maxFileSize,
    load: loadFile,
  }
  try {
    const origin = { name: file, ...(context.reader && { tree: context.reader }) }
    const content = await loadFile(text, origin, context.inputs ?? {}, start, session)
    const extended = applyExtends(content, report)
    return report.hasErrors ? undefined : resolveReferences(extended)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    // An empty message: the problems are reported already.
    if (error.message !== '') report.error(error.mark, error.message, { hint: error.hint })
    return undefined
  }
}

/** What the plan carries but this product doesn't carry out. */
function warnUnsupported(jobs: readonly ConcreteJob[], report: Reporter): void {
  const seen = new Set<string>()
  for (const { entry } of jobs) {
    if (seen.has(entry.name)) continue
    seen.add(entry.name)
    const warn = (key: string, text: string) =>
      report.warn(entry.mark, `jobs:${entry.name}:${key} ${text}`, { job: entry.name })
    if (entry.secrets) warn('secrets', 'belongs to a paid GitLab edition and has no effect here')
    if (entry.identity) warn('identity', 'belongs to gitlab.com and has no effect here')
    if (entry.dast)
      warn('dast_configuration', 'belongs to a paid GitLab edition and has no effect here')
    if (entry.kind === 'bridge')
      warn('trigger', "is planned, but downstream pipelines aren't started yet")
    if (entry.run) warn('run', "is planned, but steps aren't executed yet")
  }
}

/** Lets the event loop turn when more than a few milliseconds have passed since it last did. */
function pauser(sliceMs = 8): () => Promise<void> {
  let since = performance.now()
  return async () => {
    if (performance.now() - since < sliceMs) return
    await new Promise(resolve => setImmediate(resolve))
    since = performance.now()
  }
}
