/** Text → checked configuration → decisions: everything that `compile`, lint and explanations are made of. */

import { checkJobs } from './build/checks.ts'
import { type ConcreteJob, concreteJobs } from './build/concrete.ts'
import { type BuildInput, type Built, buildPipeline } from './build/pipeline.ts'
import { applyExtends } from './config/extends.ts'
import type { MapNode } from './config/node.ts'
import { type Mark, sourceFile } from './config/node.ts'
import { Refusal, type Reporter, reporter } from './config/problems.ts'
import { resolveReferences } from './config/reference.ts'
import { parseYaml } from './config/yaml.ts'
import type { CompileContext } from './context.ts'
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
export async function analyse(text: string, context: CompileContext): Promise<Analysis> {
  const report = reporter()
  const merged = await mergedConfiguration(text, context, report)
  if (!merged) return { problems: [...report.problems] }
  const root = readRoot(merged, report)
  const jobs = concreteJobs(root.jobs, report)
  checkJobs(jobs, root.stages, report)
  warnUnsupported(jobs, report)
  const analysis: Analysis = { problems: [], merged, root, jobs }
  if (!report.hasErrors) {
    const pattern: (source: string) => Pattern | undefined = patternCache()
    const input: BuildInput = { root, jobs, context, report, pattern, pause: pauser() }
    analysis.built = await buildPipeline(input)
  }
  return { ...analysis, problems: [...report.problems] }
}

async function mergedConfiguration(
  text: string,
  context: CompileContext,
  report: Reporter,
): Promise<MapNode | undefined> {
  const file = context.file ?? defaultFile
  const start: Mark = { file: sourceFile(file, ''), offset: 0 }
  if (/^\s*$/.test(text)) {
    report.error(start, 'Please provide content of .gitlab-ci.yml')
    return undefined
  }
  try {
    const { documents, remarks } = parseYaml(file, text)
    for (const one of remarks) report.warn(one.mark, one.message, { hint: one.hint })
    const content = documents[0]
    if (content?.kind !== 'map') {
      report.error(content?.mark ?? start, 'Invalid configuration format', {
        hint: 'the file holds a mapping of global keywords and jobs',
      })
      return undefined
    }
    for (const key of ['spec', 'include']) {
      const entry = content.entries.get(key)
      if (entry) report.error(entry.mark, `\`${key}\` is not supported yet`)
    }
    const extended = applyExtends(content, report)
    return report.hasErrors ? undefined : resolveReferences(extended)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    report.error(error.mark, error.message, { hint: error.hint })
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
