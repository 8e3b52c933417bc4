/** Lint, simulation and explanations. */
export type { JobDescription } from './describe-job.ts'
export { type SimulatedEvent, type Simulation, simulatedContext, simulatedEvents } from './event.ts'
export { excerpt } from './excerpt.ts'
export { explainVariables, type VariableOrigin } from './explain.ts'
export { drawGraph } from './graph.ts'
export {
  type EvalReport,
  evaluateExpression,
  type LintProblem,
  type LintReport,
  lint,
  lintMerged,
} from './report.ts'
