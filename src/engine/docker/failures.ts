import { Failure, type FailureCode, messageOf } from '../../lib/index.ts'

/** A Failure for an answer of the engine that isn't a success; the engine's own message, first letter as it wrote it. */
export function failureOf(status: number, body: string): Failure {
  return new Failure(codeOf(status, body), textOf(body) || `The engine answered ${status}.`)
}

/** A Failure for an error that comes within a stream of progress lines, where the status was already 200. */
export function failureOfMessage(message: string): Failure {
  return new Failure(codeOfMessage(message) ?? 'invalid', message)
}

/** A Failure for a connection that could not be made or broke. */
export function unreachable(place: string, cause: unknown): Failure {
  return new Failure(
    'unavailable',
    `The container engine at ${place} is not reachable: ${reason(cause)}.`,
    {
      hint: 'Is it running? `docker info` tells; script/setup starts one where it may.',
      cause,
    },
  )
}

function reason(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return messageOf(cause.errors[0])
  return messageOf(cause)
}

function textOf(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body)
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed)
      return String(parsed.message).trim()
  } catch {
    // an older engine, or something else on that port, answers in plain text
  }
  return body.trim().slice(0, 2000)
}

function codeOf(status: number, body: string): FailureCode {
  if (status === 404) return codeOfMessage(body) === 'unauthorized' ? 'unauthorized' : 'not_found'
  if (status === 401) return 'unauthorized'
  if (status === 403) return 'forbidden'
  if (status === 409) return 'conflict'
  if (status < 500) return 'invalid'
  return codeOfMessage(body) ?? (status === 503 ? 'unavailable' : 'internal')
}

/** The engine reports what registries and the runtime said with status 500 or within a stream: only the words tell what it was. */
const byWords: readonly [RegExp, FailureCode][] = [
  [/OCI runtime|starting container process caused|executable file not found/i, 'invalid'],
  [
    /unauthorized|authentication required|incorrect username or password|no basic auth/i,
    'unauthorized',
  ],
  [/denied/i, 'forbidden'],
  [
    /manifest (for .* )?(unknown|not found)|not found|no such image|no matching manifest/i,
    'not_found',
  ],
  [
    /dial tcp|lookup .* on|no such host|i\/o timeout|connection refused|Client\.Timeout|deadline exceeded|TLS handshake|x509|EOF|toomanyrequests|server misbehaving|no space left/i,
    'unavailable',
  ],
  [/invalid reference|invalid repository name|repository name must be/i, 'invalid'],
]

function codeOfMessage(message: string): FailureCode | undefined {
  return byWords.find(([words]) => words.test(message))?.[1]
}
