/** `.gitlab-ci.yml` → plan. Pure; never throws on what the user wrote. */
import { analyse } from './analyse.ts'
import type { CompileContext, Compiled } from './context.ts'

export type {
  CompileContext,
  Compiled,
  CompileVariable,
  ProjectTree,
  RemoteFile,
  SourceReader,
} from './context.ts'

/**
 * Compiles the configuration `text` for one event. Deterministic: the same text and context give the same plan.
 * Every problem carries file, line and column; all of a file's problems come at once.
 */
export async function compile(text: string, context: CompileContext): Promise<Compiled> {
  const { problems, built } = await analyse(text, context)
  const hasErrors = problems.some(problem => problem.severity === 'error')
  return {
    problems,
    left: built?.left ?? [],
    ...(built?.pipeline && !hasErrors && { pipeline: built.pipeline }),
    ...(built?.reason !== undefined && !hasErrors && { reason: built.reason }),
  }
}
