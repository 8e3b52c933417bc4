import { suggest } from '../../lib/index.ts'
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
  /** So many problems that more aren't kept. */
  readonly isFull: boolean
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
    get isFull() {
      return seen.size >= maxProblems
    },
    get hasErrors() {
      return problems.some(one => one.severity === 'error')
    },
  }
}

/** The nearest of `known` to what was written, if it is near enough to be meant. */
export function didYouMean(written: string, known: Iterable<string>): string | undefined {
  const word = suggest(written.replaceAll('-', '_'), known) ?? suggest(written, known)
  return word && `did you mean \`${word}\`?`
}
