/** The thread of off-loop.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { compileHere } from './compile-here.ts'
import type { CompileContext, ProjectTree, SourceReader } from './context.ts'
import type { PlainContext, PortCall, RemoteTree, ThreadMessage } from './off-loop.ts'

interface Reply {
  id: number
  value?: unknown
  error?: string
}

const portion = 200

const port = parentPort!
const { text, context } = workerData as { text: string; context: PlainContext }
const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
let lastId = 0

port.on('message', ({ id, value, error }: Reply) => {
  const call = waiting.get(id)
  waiting.delete(id)
  if (error !== undefined) call?.reject(new Error(error))
  else call?.resolve(value)
})

function send(message: ThreadMessage): void {
  port.postMessage(message)
}

function call<T>(
  method: PortCall['method'],
  args: (string | undefined)[],
  tree?: number,
): Promise<T> {
  const id = ++lastId
  send({ call: { id, method, args: args as string[], tree } })
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
  })
}

function treeOf({ tree, sha }: RemoteTree): ProjectTree {
  return {
    sha,
    read: path => call('read', [path], tree),
    paths: () => call('paths', [], tree),
    tags: () => call('tags', [], tree),
  }
}

const reader: SourceReader = {
  read: path => call('read', [path]),
  paths: () => call('paths', []),
  remote: url => call('remote', [url]),
  template: name => call('template', [name]),
  async project(path, ref) {
    const found = await call<RemoteTree | 'no_project' | 'no_ref'>('project', [path, ref])
    return typeof found === 'string' ? found : treeOf(found)
  },
}

const { hasChanges, hasReader, ...plain } = context
const full: CompileContext = {
  ...plain,
  ...(hasChanges && { changes: compareTo => call('changes', [compareTo]) }),
  ...(hasReader && { reader }),
}
const { pipeline, ...rest } = await compileHere(text, full)
for (let at = 0; at < (pipeline?.jobs.length ?? 0); at += portion) {
  send({ jobs: pipeline!.jobs.slice(at, at + portion) })
}
send({ done: pipeline ? { ...rest, pipeline: { ...pipeline, jobs: [] } } : rest })
