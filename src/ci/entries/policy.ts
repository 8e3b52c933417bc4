import { child, isString, type Mark, type Node } from '../config/node.ts'
import { compilePattern, looksLikePattern } from '../expression/regex.ts'
import { isBlank, onlyKeys, type Place, readStrings, refuse, shapeHint } from './kit.ts'
import { type ConditionEntry, readCondition } from './rules.ts'

/** `only` or `except`. */
export interface PolicyEntry {
  refs?: string[]
  variables?: ConditionEntry[]
  changes?: string[]
  kubernetes?: 'active'
  mark: Mark
}

const itemsText = 'should be an array of strings or regular expressions using re2 syntax'

/** Undefined after a problem. */
export function readPolicy(place: Place, node: Node): PolicyEntry | undefined {
  if (node.kind === 'list') {
    const refs = readRefs(place, node, 'config')
    return refs && { refs, mark: node.mark }
  }
  if (node.kind !== 'map') {
    const hint = isString(node) ? `write a list: [${node.value}]` : shapeHint(node)
    return refuse(place, node.mark, 'has to be either an array of conditions or a hash', hint)
  }
  if (node.entries.size === 0) return refuse(place, node.mark, "config can't be blank")
  onlyKeys(place, node, ['refs', 'kubernetes', 'variables', 'changes'])
  const refs = readRefs(place, child(node, 'refs'), 'refs')
  const changes = readStrings(place, child(node, 'changes'), 'changes')
  const variables = readExpressions(place, child(node, 'variables'))
  const kubernetes = child(node, 'kubernetes')
  const isActive = isString(kubernetes) && kubernetes.value === 'active'
  if (kubernetes && !isActive) {
    const value = kubernetes.kind === 'scalar' ? kubernetes.text : ''
    refuse(place, kubernetes.mark, `kubernetes unknown value: ${value}`, 'only `active` is known')
  }
  return {
    ...(refs && { refs }),
    ...(variables && { variables }),
    ...(changes && { changes }),
    ...(isActive && { kubernetes: 'active' as const }),
    mark: node.mark,
  }
}

function readRefs(place: Place, node: Node | undefined, attribute: string): string[] | undefined {
  const refs = readStrings(place, node, attribute, itemsText)
  if (!refs || node?.kind !== 'list') return undefined
  const wrong = refs.findIndex(
    ref => looksLikePattern(patternPart(ref)) && !compilePattern(patternPart(ref)),
  )
  if (wrong === -1) return refs
  return refuse(
    place,
    node.items[wrong]!.mark,
    `${attribute} ${itemsText}`,
    'RE2 knows no look-around and no back-references',
  )
}

/** A ref without its `@group/project`. */
export function patternPart(ref: string): string {
  const at = ref.indexOf('@')
  return at === -1 ? ref : ref.slice(0, at)
}

function readExpressions(place: Place, node: Node | undefined): ConditionEntry[] | undefined {
  const texts = readStrings(place, node, 'variables')
  if (!texts || node?.kind !== 'list') return undefined
  return node.items.flatMap(item =>
    isBlank(item) ? [] : (readCondition(place, item, 'variables') ?? []),
  )
}
