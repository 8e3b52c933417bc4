/** The few ways in which a call can fail. Each API dialect maps them in one table of its own. */
export type FailureCode =
  | 'invalid'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'too_large'
  | 'unavailable'
  | 'internal'

export interface FailureOptions {
  /** What to do next, as a sentence for the person who reads the message. */
  readonly hint?: string
  /** Machine-readable extras, such as `{ field: ['is too short'] }`. Never secrets. */
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/** An expected failure with a message for people. Anything else that is thrown is a bug and shows as `internal`. */
export class Failure extends Error {
  readonly code: FailureCode
  readonly hint: string | undefined
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(code: FailureCode, message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'Failure'
    this.code = code
    this.hint = options.hint
    this.details = options.details
  }
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
