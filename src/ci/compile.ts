/** `.gitlab-ci.yml` → plan. Pure; never throws on what the user wrote. */
import { compileHere } from './compile-here.ts'
import { LargeConfiguration } from './config/include.ts'
import { defaultYamlLimits, tooDeepAt } from './config/yaml.ts'
import type { CompileContext, Compiled } from './context.ts'
import { compileOffLoop } from './off-loop.ts'

export type {
  CompileContext,
  Compiled,
  CompileVariable,
  ProjectTree,
  RemoteFile,
  SourceReader,
} from './context.ts'

/** Larger files take the parser longer than the event loop may be held up (50 ms), with room to spare. */
const maxSizeOnLoop = 32 * 1024

/**
 * Compiles the configuration `text` for one event. Deterministic: the same text and context give the same plan.
 * Every problem carries file, line and column; all of a file's problems come at once. Large configurations leave this thread.
 */
export async function compile(text: string, context: CompileContext): Promise<Compiled> {
  const isRefusedAtSight = text.length > defaultYamlLimits.maxSize || tooDeepAt(text) !== undefined
  if (isRefusedAtSight) return compileHere(text, context)
  if (text.length > maxSizeOnLoop) return compileOffLoop(text, context)
  try {
    return await compileHere(text, context, maxSizeOnLoop)
  } catch (error) {
    if (!(error instanceof LargeConfiguration)) throw error
    return compileOffLoop(text, context)
  }
}
