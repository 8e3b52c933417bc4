import { ExpressionError, type Token, type TokenKind, tokenize } from './lexer.ts'

export type Operator = '==' | '!=' | '=~' | '!~' | '&&' | '||'

export type Expression =
  | { kind: 'variable'; name: string; at: number; end: number }
  | { kind: 'input'; name: string; at: number; end: number }
  | { kind: 'string'; value: string; at: number; end: number }
  | { kind: 'pattern'; source: string; at: number; end: number }
  | { kind: 'literal'; value: null | boolean; at: number; end: number }
  | { kind: 'not'; operand: Expression; at: number; end: number }
  | {
      kind: 'binary'
      operator: Operator
      left: Expression
      right: Expression
      at: number
      end: number
    }

/** Tighter binds first; all of them associate to the left. */
const precedence: Readonly<Record<Operator, number>> = {
  '||': 1,
  '&&': 2,
  '==': 3,
  '!=': 3,
  '=~': 3,
  '!~': 3,
}

function isOperator(kind: TokenKind): kind is Operator {
  return Object.hasOwn(precedence, kind)
}

/** Throws `ExpressionError` with the place of the first mistake. */
export function parseExpression(text: string): Expression {
  const tokens = tokenize(text)
  let next = 0

  const binary = (minimum: number): Expression => {
    let left = unary()
    for (;;) {
      const token = tokens[next]
      if (!token || !isOperator(token.kind) || precedence[token.kind] < minimum) return left
      next++
      const right = binary(precedence[token.kind] + 1)
      left = {
        kind: 'binary',
        operator: token.kind,
        left,
        right,
        at: left.at,
        end: right.end,
      }
    }
  }

  const unary = (): Expression => {
    const token = tokens[next++]
    if (!token) throw new ExpressionError(text.length, 'something is missing at the end')
    if (token.kind === '!') {
      const operand = unary()
      return { kind: 'not', operand, at: token.at, end: operand.end }
    }
    if (token.kind !== '(') return operandOf(token)
    const inner = binary(1)
    if (tokens[next]?.kind !== ')')
      throw new ExpressionError(token.at, "this parenthesis isn't closed")
    next++
    return inner
  }

  const result = binary(1)
  const rest = tokens[next]
  if (rest) {
    throw new ExpressionError(
      rest.at,
      rest.kind === ')' ? 'nothing is open here' : 'an operator is missing before this',
    )
  }
  return result
}

function operandOf(token: Token): Expression {
  const place = { at: token.at, end: token.at + token.text.length }
  switch (token.kind) {
    case 'variable':
    case 'input':
      return { kind: token.kind, name: token.value, ...place }
    case 'string':
      return { kind: 'string', value: token.value, ...place }
    case 'pattern':
      return { kind: 'pattern', source: token.value, ...place }
    case 'null':
      return { kind: 'literal', value: null, ...place }
    case 'boolean':
      return { kind: 'literal', value: token.value === 'true', ...place }
    default:
      throw new ExpressionError(
        token.at,
        'a variable, a string, a pattern or `null` is missing before this',
      )
  }
}
