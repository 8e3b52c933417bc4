/** What the pusher reads after `remote:`. */
import type { PipelineOutcome, Problem } from './ci/index.ts'

const shownProblems = 10

/** Where the pipeline is and what it will do, or why there is none. */
export function describeOutcome(
  outcome: PipelineOutcome,
  at: { ref: string; projectUrl: string },
): string[] {
  switch (outcome.kind) {
    case 'created': {
      const { pipeline, jobs } = outcome
      const stages = pipeline.plan.stages.filter(stage => jobs.some(job => job.stage === stage))
      const count = `${jobs.length} job${jobs.length === 1 ? '' : 's'}`
      return [
        '',
        `Pipeline #${pipeline.id} for ${at.ref}: ${count} (${stages.join(' → ')})`,
        `  ${at.projectUrl}/-/pipelines/${pipeline.id}`,
        ...describeProblems(outcome.problems),
        '',
      ]
    }
    case 'invalid':
      return [
        '',
        `No pipeline ran for ${at.ref}: .gitlab-ci.yml has errors.`,
        ...describeProblems(outcome.problems),
        ...(outcome.pipeline === undefined
          ? []
          : [`  ${at.projectUrl}/-/pipelines/${outcome.pipeline.id}`]),
        '',
      ]
    case 'none':
      return [...noPipeline(at.ref, outcome.reason), ...describeProblems(outcome.problems)]
  }
}

/** Why there is no pipeline, when there is a reason to tell. */
export function noPipeline(ref: string, reason: string): string[] {
  return ['', `No pipeline for ${ref}: ${reason}.`, '']
}

function describeProblems(problems: readonly Problem[]): string[] {
  const lines = problems.slice(0, shownProblems).flatMap(problem => {
    const place = `${problem.file}:${problem.line}:${problem.column}`
    const hint = problem.hint === undefined ? [] : [`      ${problem.hint}`]
    return [`  ${place}: ${problem.severity}: ${problem.message}`, ...hint]
  })
  const more = problems.length - shownProblems
  return more > 0 ? [...lines, `  … and ${more} more`] : lines
}
