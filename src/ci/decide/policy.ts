/** `only` and `except`. */
import { placeOf } from '../config/node.ts'
import type { CompileContext } from '../context.ts'
import { type PolicyEntry, patternPart } from '../entries/policy.ts'
import { looksLikePattern, type Pattern } from '../expression/regex.ts'
import type { WhyStep } from '../plan.ts'
import type { VariableScope } from './variables.ts'
import type { World } from './world.ts'

export interface PolicyInput {
  /** Undefined: there is none, not even the default. */
  only?: PolicyEntry
  except?: PolicyEntry
  context: CompileContext
  scope: VariableScope
  world: World
  pattern: (source: string) => Pattern | undefined
}

/** Every key of `only` must hold, and no key of `except` may. */
export async function decidePolicy(
  input: PolicyInput,
): Promise<{ included: boolean; why: WhyStep[] }> {
  const why: WhyStep[] = []
  for (const step of await keysOf('only', input.only, input)) {
    why.push(step)
    if (!step.matched) return { included: false, why }
  }
  for (const step of await keysOf('except', input.except, input)) {
    why.push(step)
    if (step.matched) return { included: false, why }
  }
  return { included: true, why }
}

async function keysOf(
  name: 'only' | 'except',
  policy: PolicyEntry | undefined,
  input: PolicyInput,
): Promise<WhyStep[]> {
  if (!policy) return []
  const line = placeOf(policy.mark).line
  const steps: WhyStep[] = []
  if (policy.refs) {
    const found = policy.refs.find(ref => refHolds(ref, input))
    const { name: ref, kind } = input.context.ref
    const detail = found ? `${kind} ${ref} is covered by ${found}` : `${kind} ${ref} is not covered`
    const text = policy.refs.join(', ')
    steps.push({ at: `${name}:refs`, text, matched: found !== undefined, detail, line })
  }
  if (policy.variables) {
    const results = policy.variables.map(one => input.world.condition(one, input.scope))
    steps.push({
      at: `${name}:variables`,
      text: policy.variables.map(one => one.text).join(', '),
      matched: results.some(one => one.holds),
      detail: results.map(one => one.detail).join('; '),
      line,
    })
  }
  if (policy.changes) {
    const entry = { paths: policy.changes, mark: policy.mark }
    const result = await input.world.changes(entry, input.scope)
    const text = policy.changes.join(', ')
    steps.push({ at: `${name}:changes`, text, matched: result.holds, detail: result.detail, line })
  }
  if (policy.kubernetes) {
    const detail = 'no Kubernetes cluster is connected to this project'
    steps.push({ at: `${name}:kubernetes`, text: 'active', matched: false, detail, line })
  }
  return steps
}

function refHolds(item: string, { context, pattern }: PolicyInput): boolean {
  const name = patternPart(item)
  const project = item.length > name.length ? item.slice(name.length + 1) : undefined
  if (project !== undefined && project !== context.projectPath) return false
  const { ref } = context
  const isMergeRequest = context.source === 'merge_request_event'
  if (!isMergeRequest && name === (ref.kind === 'tag' ? 'tags' : 'branches')) return true
  const source = context.source.replace(/_event$/, '')
  if (name === source || name === plural(source)) return true
  if (isMergeRequest) return false
  if (looksLikePattern(name)) return pattern(name)?.test(ref.name) ?? false
  return name === ref.name
}

function plural(word: string): string {
  if (word.endsWith('s')) return word
  return /(?:ch|sh|x)$/.test(word) ? `${word}es` : `${word}s`
}
