import type { Problem } from '../plan.ts'
import { type Mark, placeOf } from './node.ts'

/** A file that is so broken that nothing more can be said about it; carries the one problem. Never leaves `compile`. */
export class Refusal extends Error {
  readonly mark: Mark
  readonly hint: string | undefined

  constructor(message: string, mark: Mark, hint?: string) {
    super(message)
    this.mark = mark
    this.hint = hint
  }
}

export interface ProblemOptions {
  job?: string
  hint?: string
}

/** Collects problems; the same problem at the same place is kept once. */
export interface Reporter {
  error(mark: Mark, message: string, options?: ProblemOptions): void
  warn(mark: Mark, message: string, options?: ProblemOptions): void
  readonly problems: readonly Problem[]
  readonly hasErrors: boolean
}

/** A file with thousands of mistakes is told about the first of them. */
const maxProblems = 200

export function reporter(): Reporter {
  const problems: Problem[] = []
  const seen = new Set<string>()
  const add = (
    severity: Problem['severity'],
    mark: Mark,
    message: string,
    options: ProblemOptions,
  ) => {
    const place = placeOf(mark)
    const key = `${severity}\n${place.file}\n${place.line}\n${place.column}\n${message}`
    if (seen.has(key) || seen.size >= maxProblems) return
    seen.add(key)
    problems.push({
      severity,
      ...place,
      message,
      ...(options.job !== undefined && { job: options.job }),
      ...(options.hint !== undefined && { hint: options.hint }),
    })
  }
  return {
    error: (mark, message, options = {}) => add('error', mark, message, options),
    warn: (mark, message, options = {}) => add('warning', mark, message, options),
    problems,
    get hasErrors() {
      return problems.some(one => one.severity === 'error')
    },
  }
}

/** The nearest of `known` to what was written, if it is near enough to be meant. */
export function didYouMean(written: string, known: Iterable<string>): string | undefined {
  const lower = written.toLowerCase().replaceAll('-', '_')
  let best: { word: string; distance: number } | undefined
  for (const word of known) {
    const distance = editDistance(lower, word.toLowerCase(), 3)
    if (distance < (best?.distance ?? Math.min(3, Math.ceil(word.length / 2)))) {
      best = { word, distance }
    }
  }
  return best && `did you mean \`${best.word}\`?`
}

/** Damerau-Levenshtein (adjacent swaps count once); gives `limit` when it is that or more. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit || a.length > 80) return limit
  const rows = Array.from({ length: a.length + 1 }, (_, i) => {
    const row = new Array<number>(b.length + 1).fill(0)
    row[0] = i
    return row
  })
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let value = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + cost)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwap) value = Math.min(value, rows[i - 2]![j - 2]! + 1)
      rows[i]![j] = value
    }
  }
  return Math.min(limit, rows[a.length]![b.length]!)
}
