import { Failure } from '../lib/index.ts'

/** The error codes of the OCI distribution specification (1.1, "Error Codes") and of Docker's, with the status each has here. */
export const statuses = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  TAG_INVALID: 400,
  PAGINATION_NUMBER_INVALID: 400,
  RANGE_INVALID: 416,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  UNAVAILABLE: 503,
  UNKNOWN: 500,
} as const
export type ErrorCode = keyof typeof statuses

/** An answer that isn't what was asked for. */
export class RegistryError extends Error {
  readonly code: ErrorCode
  readonly status: number
  readonly detail: unknown
  readonly headers: Readonly<Record<string, string>>

  constructor(
    code: ErrorCode,
    message: string,
    options: { status?: number; detail?: unknown; headers?: Record<string, string> } = {},
  ) {
    super(message)
    this.code = code
    this.status = options.status ?? statuses[code]
    this.detail = options.detail
    this.headers = options.headers ?? {}
  }
}

const codesOfFailures = {
  invalid: 'DIGEST_INVALID',
  unauthorized: 'UNAUTHORIZED',
  forbidden: 'DENIED',
  not_found: 'BLOB_UNKNOWN',
  conflict: 'DENIED',
  too_large: 'SIZE_INVALID',
  unavailable: 'UNAVAILABLE',
  internal: 'UNKNOWN',
} as const

/** Whatever was thrown, as an answer. Bugs tell nothing but a reference to the log. */
export function toRegistryError(error: unknown, reference: string): RegistryError {
  if (error instanceof RegistryError) return error
  if (!(error instanceof Failure))
    return new RegistryError('UNKNOWN', `internal error; the log has more under ${reference}`)
  const message = error.hint === undefined ? error.message : `${error.message}. ${error.hint}`
  const isFull = error.details?.['reason'] === 'disk_full'
  return new RegistryError(codesOfFailures[error.code], message, isFull ? { status: 507 } : {})
}

/** True for what is worth a line in the log at `error`. */
export function isUnexpected(error: unknown): boolean {
  return !(error instanceof RegistryError) && !(error instanceof Failure)
}
