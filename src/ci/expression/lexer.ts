/** Tokens of a `rules:if` expression (GitLab's `Gitlab::Ci::Pipeline::Expression::Lexer`). */

export type TokenKind =
  | '('
  | ')'
  | '=='
  | '!='
  | '=~'
  | '!~'
  | '&&'
  | '||'
  | '!'
  | 'variable'
  | 'input'
  | 'string'
  | 'pattern'
  | 'null'
  | 'boolean'

export interface Token {
  kind: TokenKind
  /** Name of a variable, content of a string, source of a pattern with its flags. */
  value: string
  text: string
  /** Offset in the expression. */
  at: number
}

/** A place in an expression that can't be read. */
export class ExpressionError extends Error {
  readonly at: number
  readonly hint: string | undefined

  constructor(at: number, hint?: string) {
    super('invalid expression syntax')
    this.at = at
    this.hint = hint
  }
}

const maxTokens = 99

const rules: readonly { kind: TokenKind; pattern: RegExp; value?: (text: string) => string }[] = [
  { kind: '(', pattern: /\(/y },
  { kind: ')', pattern: /\)/y },
  {
    kind: 'input',
    pattern: /\$\[\[\s*inputs\.[\w-]+\s*\]\]/y,
    value: text => text.slice(3, -2).trim().slice('inputs.'.length),
  },
  { kind: 'variable', pattern: /\$\w+/y, value: text => text.slice(1) },
  { kind: 'string', pattern: /"[^"]*"|'[^']*'/y, value: text => text.slice(1, -1) },
  { kind: 'pattern', pattern: /\/(?:[^/]|\\\/)+[^\\]\/[ismU]*/y },
  { kind: 'null', pattern: /null/y },
  { kind: 'boolean', pattern: /true|false/y },
  { kind: '==', pattern: /==/y },
  { kind: '=~', pattern: /=~/y },
  { kind: '!=', pattern: /!=/y },
  { kind: '!~', pattern: /!~/y },
  { kind: '&&', pattern: /&&/y },
  { kind: '||', pattern: /\|\|/y },
  { kind: '!', pattern: /!/y },
]

/** Throws `ExpressionError` at the first character that starts no token. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  for (;;) {
    while (/\s/.test(text[at] ?? '')) at++
    if (at >= text.length) return tokens
    const token = tokenAt(text, at)
    if (!token) throw new ExpressionError(at, hintFor(text.slice(at)))
    tokens.push(token)
    if (tokens.length > maxTokens)
      throw new ExpressionError(at, 'an expression has at most 99 tokens')
    at += token.text.length
  }
}

function tokenAt(text: string, at: number): Token | undefined {
  if (text[at] === '/') return patternAt(text, at)
  for (const rule of rules) {
    if (rule.kind === 'pattern') continue
    rule.pattern.lastIndex = at
    const found = rule.pattern.exec(text)?.[0]
    if (found !== undefined) {
      return { kind: rule.kind, value: rule.value?.(found) ?? found, text: found, at }
    }
  }
  return undefined
}

/** `/…/flags` up to the first slash that isn't escaped; at least two characters inside, as in GitLab. */
function patternAt(text: string, at: number): Token | undefined {
  let end = at + 1
  while (end < text.length && !(text[end] === '/' && text[end - 1] !== '\\' && end - at > 2)) {
    if (text[end] === '/' && text[end - 1] !== '\\') return undefined
    end++
  }
  if (end >= text.length) return undefined
  end++
  while (/[ismU]/.test(text[end] ?? '')) end++
  const found = text.slice(at, end)
  return { kind: 'pattern', value: found, text: found, at }
}

function hintFor(rest: string): string | undefined {
  if (rest.startsWith('${')) return "write `$NAME`: braces aren't allowed in expressions"
  if (rest.startsWith('$$')) return "write one `$` before the variable's name"
  if (rest.startsWith('/'))
    return 'a pattern has at least two characters between slashes: `/ab/`; escape a slash inside as `\\/`'
  if (/^["']/.test(rest)) return "the string isn't closed"
  if (/^=[^=~]/.test(rest)) return 'compare with `==`'
  if (/^&[^&]/.test(rest)) return 'write `&&`'
  if (/^\|[^|]/.test(rest)) return 'write `||`'
  if (/^(and|or|not)\b/i.test(rest)) return 'write `&&`, `||` or `!`'
  if (/^[\w.-]/.test(rest)) return 'quote strings, and write variables as `$NAME`'
  return undefined
}
