/** What lint answers, offline and in the API. The JSON form is a public contract: docs/lint.md. */
import { type Analysis, analyse } from '../analyse.ts'
import type { CompileContext } from '../context.ts'
import { variableScope } from '../decide/variables.ts'
import { evaluate } from '../expression/evaluate.ts'
import { ExpressionError } from '../expression/lexer.ts'
import { parseExpression } from '../expression/parse.ts'
import { compilePattern } from '../expression/regex.ts'
import type { Problem } from '../plan.ts'
import { describeJob, drop, type JobDescription } from './describe-job.ts'
import { printYaml } from './print.ts'

export type LintProblem = Omit<Problem, 'severity'>

export interface LintReport {
  valid: boolean
  errors: LintProblem[]
  warnings: LintProblem[]
  /** With `.pre` and `.post`; empty when the file couldn't be read that far. */
  stages: string[]
  root_variables: Record<string, string>
  workflow: {
    /** Would this event make a pipeline? */
    created: boolean
    name?: string
    auto_cancel?: { on_new_commit?: string; on_job_failure?: string }
    rules?: Record<string, unknown>[]
    /** Why there would be none. */
    reason?: string
  }
  jobs: JobDescription[]
}

/** Checks the configuration and simulates the context's event. Never throws on what the user wrote. */
export async function lint(text: string, context: CompileContext): Promise<LintReport> {
  return describe(await analyse(text, context))
}

/** The same with the merged configuration as YAML (after includes, extends and references). */
export async function lintMerged(
  text: string,
  context: CompileContext,
): Promise<{ report: LintReport; mergedYaml?: string; analysis: Analysis }> {
  const analysis = await analyse(text, context)
  const report = describe(analysis)
  return { report, analysis, ...(analysis.merged && { mergedYaml: printYaml(analysis.merged) }) }
}

function describe({ problems, root, jobs, built }: Analysis): LintReport {
  const of = (severity: Problem['severity']) =>
    problems.filter(one => one.severity === severity).map(({ severity: _, ...rest }) => rest)
  const errors = of('error')
  const autoCancel = built?.workflow.autoCancel ?? root?.workflow.autoCancel
  return {
    valid: errors.length === 0,
    errors,
    warnings: of('warning'),
    stages: root?.stages ?? [],
    root_variables: Object.fromEntries(
      [...(root?.variables ?? [])].map(([name, one]) => [name, one.value]),
    ),
    workflow: drop({
      created: errors.length === 0 && built?.pipeline !== undefined,
      name: built?.workflow.name ?? root?.workflow.name,
      auto_cancel:
        autoCancel &&
        drop({ on_new_commit: autoCancel.onNewCommit, on_job_failure: autoCancel.onJobFailure }),
      rules: root?.workflow.rules?.map(rule => rule.raw),
      reason: built?.reason,
    }),
    jobs: root && jobs ? jobs.map(job => describeJob(job, root, built?.verdicts.get(job))) : [],
  }
}

export type EvalReport =
  | { value: boolean | null; steps: { text: string; value: string }[] }
  | { error: { message: string; column: number; hint?: string } }

/** Evaluates one `rules:if` expression. `value` is null when it came to null (an undefined variable), which counts as false. */
export function evaluateExpression(
  text: string,
  variables: readonly { key: string; value: string }[],
): EvalReport {
  const scope = variableScope(variables.map(one => ({ ...one, origin: 'pipeline' })))
  try {
    const result = evaluate(parseExpression(text), text, {
      variable(name) {
        const value = scope.value(name)
        return value === undefined ? undefined : { value }
      },
      pattern: compilePattern,
    })
    return { value: result.value === null ? null : result.holds, steps: result.steps }
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    const { hint, at } = error
    return {
      error: { message: 'Invalid expression syntax', column: at + 1, ...(hint && { hint }) },
    }
  }
}
