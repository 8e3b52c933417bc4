/** YAML syntax errors in libyaml's words, which GitLab shows, with a hint in ours. */
import { placeOf, type SourceFile } from './node.ts'
import { Refusal } from './problems.ts'

export interface SyntaxProblem {
  code: string
  message: string
  /** Offsets. */
  pos: [number, number]
}

interface Translation {
  code: string
  /** Part of the parser's message, where one code has several meanings. */
  part?: RegExp
  text: string
  hint: string
}

const translations: readonly Translation[] = [
  {
    code: 'BLOCK_AS_IMPLICIT_KEY',
    text: 'mapping values are not allowed in this context',
    hint: 'quote the value: a `: ` inside it starts a new mapping',
  },
  {
    code: 'TAB_AS_INDENT',
    text: 'found character that cannot start any token while scanning for the next token',
    hint: 'YAML is indented with spaces: replace the tab',
  },
  {
    code: 'MISSING_CHAR',
    part: /quote/,
    text: 'found unexpected end of stream while scanning a quoted scalar',
    hint: 'the quote that starts here is never closed',
  },
  {
    code: 'MISSING_CHAR',
    part: /sequence|flow.*\]|end with a \]/i,
    text: "did not find expected ',' or ']' while parsing a flow sequence",
    hint: 'the `[` that starts here is never closed, or a comma is missing',
  },
  {
    code: 'MISSING_CHAR',
    part: /map.*\}|end with a \}/i,
    text: "did not find expected ',' or '}' while parsing a flow mapping",
    hint: 'the `{` that starts here is never closed, or a comma is missing',
  },
  {
    code: 'MISSING_CHAR',
    text: "could not find expected ':' while scanning a simple key",
    hint: 'a key is followed by `: ` and its value',
  },
  {
    code: 'MULTILINE_IMPLICIT_KEY',
    text: "could not find expected ':' while scanning a simple key",
    hint: 'a key stands on one line and is followed by `: `',
  },
  {
    code: 'BAD_INDENT',
    text: 'did not find expected key while parsing a block mapping',
    hint: 'entries of one mapping or list start in the same column',
  },
  {
    code: 'UNEXPECTED_TOKEN',
    text: 'did not find expected key while parsing a block mapping',
    hint: 'entries of one mapping or list start in the same column, and lists have `- ` before every item',
  },
]

/** The problem that ends the reading of a file. */
export function syntaxRefusal(problem: SyntaxProblem, text: string, file: SourceFile): Refusal {
  if (/call stack/.test(problem.message)) {
    return new Refusal(
      'The parsed YAML is too big',
      { file, offset: problem.pos[0] },
      'it is nested too deep',
    )
  }
  const known = translations.find(
    one => one.code === problem.code && (one.part?.test(problem.message) ?? true),
  )
  const mark = { file, offset: placeIn(text, problem) }
  const { line, column } = placeOf(mark)
  const words = known?.text ?? problem.message.split('\n')[0]!
  return new Refusal(`(<unknown>): ${words} at line ${line} column ${column}`, mark, known?.hint)
}

/** libyaml points at the colon that can't be there, the parser at the value's start. */
function placeIn(text: string, problem: SyntaxProblem): number {
  const [start] = problem.pos
  if (problem.code !== 'BLOCK_AS_IMPLICIT_KEY') return start
  const end = text.indexOf('\n', start)
  const line = text.slice(start, end === -1 ? undefined : end)
  const colon = line.search(/:(?:\s|$)/)
  return colon === -1 ? start : start + colon
}
