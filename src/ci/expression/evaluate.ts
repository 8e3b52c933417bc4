import type { Expression } from './parse.ts'
import { looksLikePattern, type Pattern } from './regex.ts'

/** What an expression sees. */
export interface Scope {
  /** Undefined: no such variable. */
  variable(name: string): { value: string; masked?: boolean } | undefined
  input?(name: string): unknown
  pattern(source: string): Pattern | undefined
}

export type ExpressionValue = string | boolean | null | { pattern: string }

/** One part of an expression and what it came to, for explanations. */
export interface EvaluationStep {
  text: string
  value: string
}

export interface Evaluation {
  /** Is it true for a rule? Blank text and null are not. */
  holds: boolean
  value: ExpressionValue
  /** Inner parts first. Parts that weren't needed aren't there. */
  steps: EvaluationStep[]
}

/** Evaluates with Ruby's notion of truth. Never throws: what fails at run time counts as false. */
export function evaluate(expression: Expression, text: string, scope: Scope): Evaluation {
  const steps: EvaluationStep[] = []
  const value = evaluatePart(expression, text, scope, steps)
  return { holds: isPresent(value), value, steps }
}

function evaluatePart(
  node: Expression,
  text: string,
  scope: Scope,
  steps: EvaluationStep[],
): ExpressionValue {
  const value = compute(node, text, scope, steps)
  const isMasked = node.kind === 'variable' && scope.variable(node.name)?.masked === true
  if (node.kind !== 'string' && node.kind !== 'pattern' && node.kind !== 'literal') {
    steps.push({ text: text.slice(node.at, node.end), value: isMasked ? '[masked]' : show(value) })
  }
  return value
}

function compute(
  node: Expression,
  text: string,
  scope: Scope,
  steps: EvaluationStep[],
): ExpressionValue {
  switch (node.kind) {
    case 'variable':
      return scope.variable(node.name)?.value ?? null
    case 'input':
      return inputValue(scope.input?.(node.name))
    case 'string':
      return node.value
    case 'pattern':
      return { pattern: node.source }
    case 'literal':
      return node.value
    case 'not':
      return !isPresent(evaluatePart(node.operand, text, scope, steps))
    case 'binary':
      return computeBinary(node, text, scope, steps)
  }
}

function computeBinary(
  node: Extract<Expression, { kind: 'binary' }>,
  text: string,
  scope: Scope,
  steps: EvaluationStep[],
): ExpressionValue {
  const left = evaluatePart(node.left, text, scope, steps)
  if (node.operator === '&&')
    return isFalsy(left) ? left : evaluatePart(node.right, text, scope, steps)
  if (node.operator === '||')
    return isFalsy(left) ? evaluatePart(node.right, text, scope, steps) : left
  const right = evaluatePart(node.right, text, scope, steps)
  switch (node.operator) {
    case '==':
      return equals(left, right)
    case '!=':
      return !equals(left, right)
    case '=~':
      return right === null ? false : matches(left, right, scope)
    case '!~':
      return right === null ? true : !matches(left, right, scope)
  }
}

function equals(left: ExpressionValue, right: ExpressionValue): boolean {
  if (isPattern(left) && isPattern(right)) return left.pattern === right.pattern
  return left === right
}

function matches(left: ExpressionValue, right: ExpressionValue, scope: Scope): boolean {
  const subject = textOf(left)
  const source = isPattern(right) ? right.pattern : textOf(right)
  if (!isPattern(right) && !looksLikePattern(source)) return source.includes(subject)
  return scope.pattern(source)?.test(subject) ?? false
}

function isPattern(value: ExpressionValue): value is { pattern: string } {
  return typeof value === 'object' && value !== null
}

function textOf(value: ExpressionValue): string {
  if (isPattern(value)) return value.pattern
  return value === null ? '' : String(value)
}

function inputValue(value: unknown): ExpressionValue {
  if (value === undefined || value === null) return null
  if (typeof value === 'boolean') return value
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Ruby: only nil and false. */
function isFalsy(value: ExpressionValue): boolean {
  return value === null || value === false
}

/** Rails' `present?`. */
function isPresent(value: ExpressionValue): boolean {
  if (typeof value === 'string') return /\S/.test(value)
  return value !== null && value !== false
}

function show(value: ExpressionValue): string {
  if (value === null) return 'null'
  if (isPattern(value)) return value.pattern
  if (typeof value === 'boolean') return String(value)
  return JSON.stringify(value.length > 200 ? `${value.slice(0, 200)}…` : value)
}
