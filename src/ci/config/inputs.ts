/** `spec:inputs` of a file's header: which inputs there are, and what values they get. */

import { evaluate } from '../expression/evaluate.ts'
import { ExpressionError } from '../expression/lexer.ts'
import { parseExpression } from '../expression/parse.ts'
import { compilePattern } from '../expression/regex.ts'
import {
  child,
  isNull,
  isString,
  type MapNode,
  type Mark,
  markOf,
  type Node,
  toPlain,
} from './node.ts'
import { didYouMean, type Reporter } from './problems.ts'

export type InputValue = string | number | boolean | unknown[]
export type Inputs = ReadonlyMap<string, InputValue>

const types = ['string', 'number', 'boolean', 'array'] as const
type InputType = (typeof types)[number]

interface InputSpec {
  name: string
  type: InputType
  /** Undefined: required. */
  fallback?: unknown
  options?: unknown[]
  regex?: string
  rules?: { if?: string; options?: unknown[]; fallback?: unknown; mark: Mark }[]
  mark: Mark
}

const inputKeys = ['default', 'description', 'options', 'regex', 'type', 'rules']
const maxOptions = 50
const maxDescription = 1024

/**
 * Values of all inputs. `given`: what the includer passes, with the place where it says so.
 * Undefined after a problem.
 */
export function bindInputs(
  spec: MapNode,
  given: Readonly<Record<string, unknown>>,
  givenMark: Mark,
  report: Reporter,
): Inputs | undefined {
  const before = report.problems.length
  const specs = readSpecs(spec, report)
  const values = new Map<string, InputValue>()
  for (const one of specs) {
    const value = bindInput(one, given, values, givenMark, report)
    if (value !== undefined) values.set(one.name, value)
  }
  const unknown = Object.keys(given).filter(name => !spec.entries.has(name))
  if (unknown.length > 0) {
    report.error(givenMark, `unknown input arguments: ${unknown.join(', ')}`, {
      hint: didYouMean(unknown[0]!, spec.entries.keys()),
    })
  }
  const isGood = report.problems.slice(before).every(one => one.severity !== 'error')
  return isGood ? values : undefined
}

function readSpecs(spec: MapNode, report: Reporter): InputSpec[] {
  return [...spec.entries].flatMap(([name, entry]): InputSpec[] => {
    if (isNull(entry.value)) return [{ name, type: 'string', mark: entry.mark }]
    if (entry.value.kind !== 'map') {
      report.error(
        entry.value.mark,
        `header:spec:inputs:${name} config should be a hash`.toLowerCase(),
      )
      return []
    }
    const one = readSpec(name, entry.value, report)
    return one ? [one] : []
  })
}

function readSpec(name: string, map: MapNode, report: Reporter): InputSpec | undefined {
  const at = `header:spec:inputs:${name}`
  const fail = (mark: Mark, text: string, hint?: string) => {
    report.error(mark, `${at} ${text}`.toLowerCase(), { hint })
    return undefined
  }
  const unknown = [...map.entries.keys()].filter(key => !inputKeys.includes(key))
  if (unknown.length > 0) {
    return fail(
      markOf(map, unknown[0]!),
      `config contains unknown keys: ${unknown.join(', ')}`,
      didYouMean(unknown[0]!, inputKeys),
    )
  }
  const typeNode = child(map, 'type')
  const type = typeNode === undefined ? 'string' : typeOf(typeNode)
  if (!type) {
    const text = typeNode?.kind === 'scalar' ? typeNode.text : ''
    return fail(typeNode!.mark, `input type unknown value: ${text}`, didYouMean(text, types))
  }
  const description = child(map, 'description')
  if (description?.kind === 'scalar' && description.text.length > maxDescription) {
    return fail(
      description.mark,
      `input description is too long (maximum is ${maxDescription} characters)`,
    )
  }
  const options = child(map, 'options')
  if (options && options.kind !== 'list')
    return fail(options.mark, 'input options should be an array')
  if (options?.kind === 'list' && options.items.length > maxOptions) {
    return fail(options.mark, `config cannot define more than ${maxOptions} options`)
  }
  const regex = child(map, 'regex')
  if (regex && !isString(regex)) return fail(regex.mark, 'input regex should be a string')
  const hasRules = child(map, 'rules') !== undefined
  for (const key of ['options', 'default']) {
    if (hasRules && map.entries.has(key)) {
      return fail(markOf(map, key), `config these keys cannot be used together: rules, ${key}`)
    }
  }
  return {
    name,
    type,
    ...(map.entries.has('default') && { fallback: toPlain(map.entries.get('default')!.value) }),
    ...(options && { options: toPlain(options) as unknown[] }),
    ...(isString(regex) && { regex: regex.value }),
    ...(hasRules && { rules: readInputRules(name, map, report) }),
    mark: map.mark,
  }
}

function typeOf(node: Node): InputType | undefined {
  return isString(node) ? types.find(type => type === node.value) : undefined
}

function readInputRules(name: string, map: MapNode, report: Reporter): InputSpec['rules'] {
  const rules = child(map, 'rules')!
  const fail = (mark: Mark, text: string) => report.error(mark, `\`${name}\` input: ${text}`)
  if (rules.kind !== 'list') {
    fail(rules.mark, 'rules config should be an array')
    return []
  }
  return rules.items.flatMap(item => {
    if (item.kind !== 'map') {
      fail(item.mark, 'rule should be a hash')
      return []
    }
    const unknown = [...item.entries.keys()].filter(
      key => !['if', 'options', 'default'].includes(key),
    )
    if (unknown.length > 0) fail(item.mark, `contains unknown keys: ${unknown.join(', ')}`)
    if (!item.entries.has('default')) {
      fail(item.mark, "rule must define 'options' with at least one value and a 'default'")
    }
    const condition = child(item, 'if')
    if (condition && !isExpression(condition)) fail(condition.mark, 'if invalid expression syntax')
    const options = child(item, 'options')
    const fallback = item.entries.get('default')
    return {
      mark: item.mark,
      ...(isString(condition) && { if: condition.value }),
      ...(options?.kind === 'list' && { options: toPlain(options) as unknown[] }),
      ...(fallback && { fallback: toPlain(fallback.value) }),
    }
  })
}

function isExpression(node: Node): boolean {
  if (!isString(node)) return false
  try {
    parseExpression(node.value)
    return true
  } catch (error) {
    if (error instanceof ExpressionError) return false
    throw error
  }
}

function bindInput(
  spec: InputSpec,
  given: Readonly<Record<string, unknown>>,
  bound: Inputs,
  givenMark: Mark,
  report: Reporter,
): InputValue | undefined {
  const rule = spec.rules?.find(one => one.if === undefined || ruleHolds(one.if, bound, given))
  const isGiven = Object.hasOwn(given, spec.name) && given[spec.name] !== null
  const value = isGiven ? given[spec.name] : spec.rules ? rule?.fallback : spec.fallback
  const mark = isGiven ? givenMark : spec.mark
  const fail = (text: string) => {
    report.error(mark, `\`${spec.name}\` input: ${text}`)
    return undefined
  }
  if (value === undefined) return fail('required value has not been provided')
  if (value === null) return ''
  if (!isOfType(value, spec.type)) {
    const article = spec.type === 'array' ? 'an' : 'a'
    return fail(`${isGiven ? 'provided' : 'default'} value is not ${article} ${spec.type}`)
  }
  return checkOptions(spec, rule?.options ?? spec.options, value, fail) &&
    checkRegex(spec, value, isGiven, fail)
    ? value
    : undefined
}

function ruleHolds(text: string, bound: Inputs, given: Readonly<Record<string, unknown>>): boolean {
  const input = (name: string) =>
    bound.get(name) ?? (Object.hasOwn(given, name) ? given[name] : undefined)
  try {
    const scope = { variable: () => undefined, input, pattern: compilePattern }
    return evaluate(parseExpression(text), text, scope).holds
  } catch (error) {
    if (error instanceof ExpressionError) return false
    throw error
  }
}

function isOfType(value: unknown, type: InputType): value is InputValue {
  return type === 'array' ? Array.isArray(value) : typeof value === type
}

function checkOptions(
  spec: InputSpec,
  options: readonly unknown[] | undefined,
  value: InputValue,
  fail: (text: string) => undefined,
): boolean {
  if (!options) return true
  if (spec.type === 'boolean') {
    fail('Options can only be used with string and number inputs')
    return false
  }
  const items = Array.isArray(value) ? value : [value]
  const wrong = items.find(
    item => !options.some(option => option === item || String(option) === item),
  )
  if (wrong === undefined) return true
  fail(`\`${String(wrong)}\` cannot be used because it is not in the list of allowed options`)
  return false
}

function checkRegex(
  spec: InputSpec,
  value: InputValue,
  isGiven: boolean,
  fail: (text: string) => undefined,
): boolean {
  if (spec.regex === undefined) return true
  if (spec.type !== 'string') {
    fail('RegEx validation can only be used with string inputs')
    return false
  }
  const source = spec.regex.replaceAll('/', '\\/')
  const pattern = compilePattern(`/${source}/`)
  if (!pattern) fail('invalid regular expression')
  else if (!pattern.test(String(value))) {
    fail(`${isGiven ? 'provided' : 'default'} value does not match required RegEx pattern`)
  } else return true
  return false
}
