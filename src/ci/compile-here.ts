import { analyse } from './analyse.ts'
import type { CompileContext, Compiled } from './context.ts'

/** Compiles on this thread. Throws `LargeConfiguration` when a file is larger than `maxFileSize` (characters). */
export async function compileHere(
  text: string,
  context: CompileContext,
  maxFileSize = Number.POSITIVE_INFINITY,
): Promise<Compiled> {
  const { problems, built } = await analyse(text, context, maxFileSize)
  const hasErrors = problems.some(problem => problem.severity === 'error')
  return {
    problems,
    left: built?.left ?? [],
    ...(built?.pipeline && !hasErrors && { pipeline: built.pipeline }),
    ...(built?.reason !== undefined && !hasErrors && { reason: built.reason }),
  }
}
