/** Compiles in a thread of its own, so that a large configuration doesn't hold up the event loop. */
import { Worker } from 'node:worker_threads'
import { messageOf } from '../lib/index.ts'
import type { CompileContext, Compiled, ProjectTree } from './context.ts'

/** The context without its ports: what a thread can be given. */
export type PlainContext = Omit<CompileContext, 'changes' | 'reader'> & {
  hasChanges: boolean
  hasReader: boolean
}

/** A call that the thread makes back. `tree`: number of a project's tree that `project` answered with. */
export interface PortCall {
  id: number
  method: 'changes' | 'read' | 'paths' | 'project' | 'remote' | 'template' | 'tags'
  args: string[]
  tree?: number
}

/** A tree of another project, by its number. */
export interface RemoteTree {
  tree: number
  sha: string
}

/** From the thread: jobs come in portions, so that taking them over doesn't hold up the loop either. */
export type ThreadMessage =
  | { call: PortCall }
  | { jobs: NonNullable<Compiled['pipeline']>['jobs'] }
  | { done: Compiled }

const maxHeapMb = 512

/** The same answer as compiling here. */
export function compileOffLoop(text: string, context: CompileContext): Promise<Compiled> {
  const { changes, reader, ...plain } = context
  const workerContext: PlainContext = {
    ...plain,
    hasChanges: changes !== undefined,
    hasReader: reader !== undefined,
  }
  const worker = new Worker(new URL('./off-loop-thread.ts', import.meta.url), {
    workerData: { text, context: workerContext },
    resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
  })
  const answer = portCaller(context)
  return new Promise((resolve, reject) => {
    const jobs: NonNullable<Compiled['pipeline']>['jobs'] = []
    worker.on('message', async (message: ThreadMessage) => {
      if ('jobs' in message) jobs.push(...message.jobs)
      else if ('call' in message) {
        const { id } = message.call
        const reply = await answer(message.call).then(
          value => ({ id, value }),
          error => ({ id, error: messageOf(error) }),
        )
        worker.postMessage(reply)
      } else {
        const { pipeline } = message.done
        resolve(pipeline ? { ...message.done, pipeline: { ...pipeline, jobs } } : message.done)
        void worker.terminate()
      }
    })
    worker.on('error', reject)
    worker.on('exit', code => {
      if (code !== 0) reject(new Error(`the compiler's thread ended with ${code}`))
    })
  })
}

/** Answers the thread's calls with the context's ports. */
function portCaller({ changes, reader }: CompileContext): (call: PortCall) => Promise<unknown> {
  const trees: ProjectTree[] = []
  return async ({ method, args, tree }) => {
    const [first = '', second] = args
    if (method === 'changes') return changes?.(args[0])
    if (!reader) return undefined
    const source = tree === undefined ? reader : trees[tree]!
    if (method === 'read') return source.read(first)
    if (method === 'paths') return source.paths()
    if (method === 'tags') return trees[tree!]!.tags()
    if (method === 'remote') return reader.remote(first)
    if (method === 'template') return reader.template(first)
    const found = await reader.project(first, second)
    if (typeof found === 'string') return found
    trees.push(found)
    return { tree: trees.length - 1, sha: found.sha } satisfies RemoteTree
  }
}
