/** What all keyword readers share: where they are, and GitLab's words for the common mistakes. */
import { isNull, isString, type MapNode, type Mark, type Node } from '../config/node.ts'
import { didYouMean, type Reporter } from '../config/problems.ts'

/** A place in the configuration: its key path as GitLab prints it, and who is told about problems. */
export interface Place {
  /** `jobs:build:artifacts`. */
  readonly location: string
  readonly job?: string
  readonly report: Reporter
}

/** The place of a key below. */
export function under(place: Place, key: string): Place {
  return { ...place, location: place.location === '' ? key : `${place.location}:${key}` }
}

/** Reports in GitLab's form: key path and text, lower-cased as a whole. */
export function refuse(place: Place, mark: Mark, text: string, hint?: string): undefined {
  place.report.error(mark, `${place.location} ${text}`.trim().toLowerCase(), {
    job: place.job,
    hint,
  })
  return undefined
}

/** Reports keys that have no meaning here. False: there were some. */
export function onlyKeys(place: Place, map: MapNode, allowed: readonly string[]): boolean {
  const unknown = [...map.entries].filter(([key]) => !allowed.includes(key))
  if (unknown.length === 0) return true
  const [name, entry] = unknown[0]!
  refuse(
    place,
    entry.mark,
    `config contains unknown keys: ${unknown.map(([key]) => key).join(', ')}`,
    didYouMean(name, allowed),
  )
  return false
}

/** The map, or a problem in GitLab's words. */
export function asMap(
  place: Place,
  node: Node,
  text = 'config should be a hash',
): MapNode | undefined {
  if (node.kind === 'map') return node
  return refuse(place, node.mark, text, shapeHint(node))
}

/** What was written instead, for hints. */
export function shapeHint(node: Node): string | undefined {
  if (node.kind === 'map') {
    const [key, entry] = [...node.entries][0] ?? []
    if (node.entries.size === 1 && key !== undefined && entry?.value.kind === 'scalar') {
      return `this is a mapping because of the \`: \`: quote it, as in '${key}: ${entry.value.text}'`
    }
    return 'this is a mapping'
  }
  if (node.kind === 'list') return 'this is a list'
  if (node.kind === 'reference') return undefined
  if (node.type === 'string' || node.type === 'null') return undefined
  const kinds = {
    integer: 'number',
    float: 'number',
    boolean: 'boolean',
    symbol: 'symbol',
  } as const
  return `YAML reads this as a ${kinds[node.type]}: quote it ("${node.text}")`
}

export function readString(
  place: Place,
  node: Node | undefined,
  attribute: string,
  text = 'should be a string',
): string | undefined {
  if (node === undefined) return undefined
  if (isString(node)) return node.value
  return refuse(place, node.mark, `${attribute} ${text}`, shapeHint(node))
}

export function readBoolean(
  place: Place,
  node: Node | undefined,
  attribute: string,
): boolean | undefined {
  if (node === undefined) return undefined
  if (node.kind === 'scalar' && typeof node.value === 'boolean') return node.value
  return refuse(
    place,
    node.mark,
    `${attribute} should be a boolean value`,
    isString(node) ? 'write true or false, without quotes' : undefined,
  )
}

/** A list of strings; a wrong item is reported at its own place. */
export function readStrings(
  place: Place,
  node: Node | undefined,
  attribute: string,
  text = 'should be an array of strings',
): string[] | undefined {
  if (node === undefined) return undefined
  if (node.kind !== 'list') {
    const hint = isString(node) ? `write a list: ["${node.value}"]` : shapeHint(node)
    return refuse(place, node.mark, `${attribute} ${text}`, hint)
  }
  const wrong = node.items.find(item => !isString(item))
  if (wrong) return refuse(place, wrong.mark, `${attribute} ${text}`, shapeHint(wrong))
  return node.items.map(item => (item as { text: string }).text)
}

/** A string, or a list of strings. */
export function readStringOrStrings(
  place: Place,
  node: Node | undefined,
  attribute: string,
): string[] | undefined {
  if (isString(node)) return [node.value]
  return readStrings(place, node, attribute, 'should be an array of strings or a string')
}

/** One word of a few. */
export function readChoice<T extends string>(
  place: Place,
  node: Node | undefined,
  attribute: string,
  choices: readonly T[],
  text = `should be one of: ${choices.join(', ')}`,
): T | undefined {
  if (node === undefined) return undefined
  const word = isString(node) ? node.value : undefined
  const choice = choices.find(one => one === word)
  if (choice !== undefined) return choice
  return refuse(
    place,
    node.mark,
    `${attribute} ${text}`,
    word === undefined ? shapeHint(node) : didYouMean(word, choices),
  )
}

/** A whole number within bounds. */
export function readInteger(
  place: Place,
  node: Node | undefined,
  attribute: string,
  bounds: { min: number; max: number },
): number | undefined {
  if (node === undefined) return undefined
  if (node.kind !== 'scalar' || typeof node.value !== 'number') {
    return refuse(place, node.mark, `${attribute} is not a number`)
  }
  if (node.type !== 'integer') return refuse(place, node.mark, `${attribute} must be an integer`)
  if (node.value < bounds.min) {
    return refuse(place, node.mark, `${attribute} must be greater than or equal to ${bounds.min}`)
  }
  if (node.value > bounds.max) {
    return refuse(place, node.mark, `${attribute} must be less than or equal to ${bounds.max}`)
  }
  return node.value
}

/** One whole number or a list of them. */
export function readIntegers(
  place: Place,
  node: Node | undefined,
  attribute: string,
): number[] | undefined {
  if (node === undefined) return undefined
  const items = node.kind === 'list' ? node.items : [node]
  const wrong = items.find(item => item.kind !== 'scalar' || item.type !== 'integer')
  if (wrong) {
    return refuse(place, wrong.mark, `${attribute} should be an array of integers or an integer`)
  }
  return items.map(item => (item as { value: number }).value)
}

/** Ruby's `blank?`. */
export function isBlank(node: Node | undefined): boolean {
  if (node === undefined || isNull(node)) return true
  if (node.kind === 'list') return node.items.length === 0
  if (node.kind === 'map') return node.entries.size === 0
  return node.kind === 'scalar' && (node.value === false || /^\s*$/.test(node.text))
}
