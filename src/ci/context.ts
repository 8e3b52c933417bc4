import type { PipelineSource } from './model.ts'
import type { Plan, Problem, WhyStep } from './plan.ts'

/** Everything that the compiler may know besides the file's text. A plain value plus lazy ports. */
export interface CompileContext {
  /** Path of the file in its repository; shown in problems. Default `.gitlab-ci.yml`. */
  file?: string
  ref: { name: string; kind: 'branch' | 'tag' }
  source: PipelineSource
  sha: string
  /** The branch's previous head; absent or all zeros: there is nothing to compare with. */
  beforeSha?: string
  /** `group/project`, for `only: [x@group/project]`. */
  projectPath?: string
  /** Everything but YAML variables. Persisted ones (`CI_JOB_ID`, `CI_PIPELINE_ID` …) aren't visible to rules: leave them out. */
  variables: CompileVariable[]
  /** Values for the root file's `spec:inputs`. */
  inputs?: Record<string, unknown>
  /**
   * Paths that the event changed; asked at most once a `compareTo`. Undefined: there is nothing to compare with, so that
   * `changes` holds (new branch, tag, schedule …). `unknown_ref`: `compare_to` names nothing.
   */
  changes?: (compareTo?: string) => Promise<string[] | undefined | 'unknown_ref'>
  /** Reads trees and included files. Absent: `include` and `exists` are refused with a clear problem. */
  reader?: SourceReader
}

export interface CompileVariable {
  key: string
  value: string
  /** Precedence, low to high: predefined, (YAML), user, settings, pipeline. Within one origin the later one wins. */
  origin: 'predefined' | 'user' | 'settings' | 'pipeline'
  /** `$X` in the value stays as it is. */
  raw?: boolean
  /** Never shown in explanations and messages. */
  masked?: boolean
  type?: 'env_var' | 'file'
  /** Applies to jobs whose environment matches: `*`, `review/*`. Only `*` ones are visible to workflow and includes. */
  environmentScope?: string
}

/** Files for `include` and `exists`. No method throws for what the user wrote; all are bounded in size and time by the implementation. */
export interface SourceReader {
  /** A file of the pipeline's own project at the pipeline's commit; path from the root without leading slash. Undefined: isn't there. */
  read(path: string): Promise<string | undefined>
  /** All file paths of that tree, for wildcards and `exists`. */
  paths(): Promise<readonly string[]>
  /** Another project, as the pipeline's user may see it; `ref` absent: head of its default branch. */
  project(path: string, ref?: string): Promise<ProjectTree | 'no_project' | 'no_ref'>
  /** Unauthenticated GET of an http(s) address, with no way to private addresses. */
  remote(url: string): Promise<RemoteFile>
  /** A file of the shipped catalogue. */
  template(name: string): Promise<string | undefined>
}

/** A project's tree at one commit. */
export interface ProjectTree {
  sha: string
  read(path: string): Promise<string | undefined>
  paths(): Promise<readonly string[]>
  /** Tags that look like versions, for components; newest release first isn't needed. */
  tags(): Promise<readonly string[]>
}

/** `reason` continues the sentence "Remote file `URL` could not be fetched because of …". It never holds bytes of the answer. */
export type RemoteFile = { text: string } | { reason: string }

/** What `compile` answers. */
export interface Compiled {
  /** The pipeline to create. Absent: `problems` holds an error, or `reason` says why there is nothing to create. */
  pipeline?: Plan
  /** Errors and warnings, in the file's order. */
  problems: Problem[]
  /** The file is valid, but this event makes no pipeline: in GitLab's words. */
  reason?: string
  /** Why jobs that aren't in this pipeline aren't (name, and the rules that were tried). */
  left: { name: string; stage: string; why: WhyStep[] }[]
}
