import { child, type Mark, type Node } from '../config/node.ts'
import type { PlanVariable } from '../plan.ts'
import {
  asMap,
  isBlank,
  type Place,
  readBoolean,
  readStrings,
  refuse,
  shapeHint,
  under,
} from './kit.ts'

export interface VariableEntry extends PlanVariable {
  mark: Mark
  description?: string
  options?: string[]
}

export type VariableEntries = ReadonlyMap<string, VariableEntry>

/** Keys that a variable's long form may have: they differ by place. None: only plain values. */
export type VariableKeys = readonly ('value' | 'description' | 'expand' | 'options')[]

export const rootVariableKeys: VariableKeys = ['value', 'description', 'expand', 'options']
export const jobVariableKeys: VariableKeys = ['value', 'expand']

/** `variables:`; bad entries are reported and left out. */
export function readVariables(place: Place, node: Node, keys: VariableKeys): VariableEntries {
  const map = asMap(place, node)
  const variables = new Map<string, VariableEntry>()
  for (const [name, entry] of map?.entries ?? []) {
    const key = entry.keyType
    if (key === 'boolean' || key === 'float' || key === 'null') {
      refuse(under(place, name), entry.mark, 'key must be an alphanumeric string', 'quote the name')
      continue
    }
    const value = readVariable(under(place, name), entry.value, keys)
    if (value) variables.set(name, { ...value, mark: entry.mark })
  }
  return variables
}

function readVariable(
  place: Place,
  node: Node,
  keys: VariableKeys,
): Omit<VariableEntry, 'mark'> | undefined {
  if (node.kind === 'scalar') return { value: node.text, expand: true }
  if (node.kind !== 'map') {
    place.report.error(node.mark, 'variable definition must be either a string or a hash', {
      job: place.job,
      hint: `${place.location}: ${shapeHint(node) ?? 'write a string'}`,
    })
    return undefined
  }
  const extra = [...node.entries].filter(([key]) => !(keys as readonly string[]).includes(key))
  if (keys.length === 0) return refuse(place, node.mark, 'config must be a string')
  if (extra.length > 0) {
    const names = extra.map(([key]) => key).join(', ')
    return refuse(place, extra[0]![1].mark, `config uses invalid data keys: ${names}`)
  }
  const value = child(node, 'value')
  if (value && value.kind !== 'scalar')
    return refuse(place, value.mark, 'config value must be a scalar')
  const description = child(node, 'description')
  if (description && description.kind !== 'scalar') {
    return refuse(place, description.mark, 'config description must be an alphanumeric string')
  }
  const expand = readBoolean(place, child(node, 'expand'), 'config expand')
  const options = readStrings(place, child(node, 'options'), 'config options')
  const text = value?.kind === 'scalar' ? value.text : ''
  if (options?.length && !options.includes(text)) {
    return refuse(place, value?.mark ?? node.mark, 'config value must be present in options')
  }
  return {
    value: text,
    expand: expand ?? true,
    ...(description?.kind === 'scalar' &&
      !isBlank(description) && { description: description.text }),
    ...(options && { options }),
  }
}

/** What the plan keeps of variables. */
export function planVariables(
  variables: Iterable<readonly [string, PlanVariable]>,
): Record<string, PlanVariable> {
  return Object.fromEntries(
    [...variables].map(([name, { value, expand }]) => [name, { value, expand }]),
  )
}
