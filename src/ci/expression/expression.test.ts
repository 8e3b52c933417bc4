import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evaluate } from './evaluate.ts'
import { ExpressionError } from './lexer.ts'
import { parseExpression } from './parse.ts'
import { compilePattern } from './regex.ts'

const variables: Record<string, string> = {
  TRUE: 'true',
  EMPTY: '',
  BLANK: '  ',
  X: 'x',
  ZERO: '0',
  BRANCH: 'feature/abc',
  PATTERN: '/^feature/',
  LIST: 'a feature/abc b',
}

function run(text: string) {
  return evaluate(parseExpression(text), text, {
    variable: name => (Object.hasOwn(variables, name) ? { value: variables[name]! } : undefined),
    pattern: compilePattern,
  })
}

describe('evaluation', () => {
  it.each<[string, boolean]>([
    ['$X', true],
    ['$UNDEFINED', false],
    ['$EMPTY', false],
    ['$BLANK', false],
    ['$ZERO', true],
    ['"false"', true],
    ['$UNDEFINED == null', true],
    ['$EMPTY == null', false],
    ['$UNDEFINED == ""', false],
    ['$EMPTY == ""', true],
    ['$UNDEFINED == $OTHER', true],
    ['$TRUE == true', false],
    ['$TRUE == "true"', true],
    ['$EMPTY && $X', true],
    ['$EMPTY || $X', false],
    ['$UNDEFINED || $X', true],
    ['$X && $UNDEFINED', false],
    ['!$EMPTY', true],
    ['!$X == "x"', false],
    ['!($X == "y")', true],
    ['$X == "y" || $X == "x" && $TRUE == "true"', true],
    ['($X == "y" || $X == "x") && $TRUE == "no"', false],
    ['$BRANCH =~ /^feature\\/.*/', true],
    ['$BRANCH =~ /^FEATURE/i', true],
    ['$BRANCH !~ /^main$/', true],
    ['$UNDEFINED =~ /^$/', true],
    ['$BRANCH =~ $PATTERN', true],
    ['$BRANCH =~ $UNDEFINED', false],
    ['$BRANCH !~ $UNDEFINED', true],
    ['$BRANCH =~ $LIST', true],
    ['$LIST =~ $X', false],
    ["$X == 'x'", true],
    ['"x" == $X', true],
    ['$X\n == "x"', true],
    ['$BRANCH =~ /(?P<n>feat)ure/', true],
  ])('%s is %s', (text, expected) => {
    expect(run(text).holds).toBe(expected)
  })

  it('shows what each part came to', () => {
    expect(run('$X == "x" && $EMPTY').steps).toEqual([
      { text: '$X', value: '"x"' },
      { text: '$X == "x"', value: 'true' },
      { text: '$EMPTY', value: '""' },
      { text: '$X == "x" && $EMPTY', value: '""' },
    ])
  })

  it('never shows masked values', () => {
    const text = '$SECRET == "hunter22"'
    const result = evaluate(parseExpression(text), text, {
      variable: () => ({ value: 'topsecret', masked: true }),
      pattern: compilePattern,
    })
    expect(JSON.stringify(result.steps)).not.toContain('topsecret')
  })
})

describe('syntax errors', () => {
  it.each<[string, number]>([
    // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression that people write by mistake
    ['${X} == "x"', 0],
    ['$X = "x"', 3],
    ['$X == x', 6],
    ['$X ==', 5],
    ['== "x"', 0],
    ['$X == "x', 6],
    ['($X', 0],
    ['$X)', 2],
    ['$X "y"', 3],
    ['$X =~ /a/', 6],
    ['$X < "y"', 3],
    ['', 0],
    ['$X && ', 6],
  ])('%s at %i', (text, at) => {
    try {
      parseExpression(text)
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(ExpressionError)
      expect((error as ExpressionError).at).toBe(at)
    }
  })

  it('never throws anything else', () => {
    const pieces = fc.constantFrom(
      '$A',
      '"s"',
      '/ab/',
      'null',
      '==',
      '=~',
      '&&',
      '||',
      '!',
      '(',
      ')',
      ' ',
      '$',
      "'",
      '/',
      '\\',
      'é',
      '\n',
      '$[[ inputs.x ]]',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 30 }), parts => {
        try {
          run(parts.join(''))
        } catch (error) {
          expect(error).toBeInstanceOf(ExpressionError)
        }
      }),
      { numRuns: 500 },
    )
  })
})

it('matches catastrophic patterns in linear time (S-17)', () => {
  const started = performance.now()
  expect(compilePattern('/^(a+)+$/')!.test(`${'a'.repeat(20_000)}b`)).toBe(false)
  expect(performance.now() - started).toBeLessThan(500)
})
