/**
 * Pipelines: `.gitlab-ci.yml` → plan → jobs → states. The compiler and the scheduler are pure; `pipelines.ts` is the one file that acts.
 */

export { compile } from './compile.ts'
export type { CompileContext, Compiled, ProjectTree, RemoteFile, SourceReader } from './context.ts'
export type { CiLimits, PipelinesOptions } from './core.ts'
export * from './lint/index.ts'
export type {
  CiEvent,
  Job,
  JobArtifactFile,
  JobState,
  Pipeline,
  PipelineSource,
  PipelineState,
  SettingVariable,
} from './model.ts'
export { createPipelines } from './pipelines.ts'
export type { Plan, PlanImage, PlanJob, PlanNeed, PlanVariable, Problem, WhyStep } from './plan.ts'
export type * from './ports.ts'
export type {
  NewPipeline,
  PipelineFilter,
  PipelineOutcome,
  Pipelines,
  Runners,
} from './use-cases.ts'
