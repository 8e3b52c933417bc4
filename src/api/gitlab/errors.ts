/** Failures in GitLab's dialect: `{"message": …}` from the modules, `{"error": …}` for parameters. */
import type { FastifyError, FastifyReply } from 'fastify'
import { Failure, type FailureCode, type Logger } from '../../lib/index.ts'
import type { Request } from '../http/server.ts'

const statuses: Record<FailureCode, [status: number, title: string]> = {
  invalid: [400, 'Bad request'],
  unauthorized: [401, 'Unauthorized'],
  forbidden: [403, 'Forbidden'],
  not_found: [404, 'Not Found'],
  conflict: [409, 'Conflict'],
  too_large: [413, 'Request Entity Too Large'],
  unavailable: [503, 'Service Unavailable'],
  internal: [500, 'Internal Server Error'],
}

/** `404 Branch Not Found` */
export function notFound(what: string): Failure {
  return new Failure('not_found', `404 ${what} Not Found`)
}

/** GitLab's bare 403. */
export function forbidden(hint?: string): Failure {
  return new Failure('forbidden', '403 Forbidden', { hint })
}

export function unauthorized(): Failure {
  return new Failure('unauthorized', '401 Unauthorized', {
    hint: 'Send a personal access token as PRIVATE-TOKEN or Bearer, or sign in.',
  })
}

/** A message that stands as it is: `{"message": "Branch already exists"}`. */
export function badRequest(message: string): Failure {
  return new Failure('invalid', message, { details: { plain: true } })
}

/** `{"message": {"base": [...]}}`, as GitLab's models say it. */
export function invalidBase(messages: readonly string[], extra?: Record<string, unknown>): Failure {
  return new Failure('invalid', messages.join('; '), { details: { base: messages, ...extra } })
}

export function sendError(
  log: Logger,
  error: unknown,
  request: Request,
  reply: FastifyReply,
): void {
  if (error instanceof Failure) {
    sendFailure(error, reply)
    return
  }
  const thrown = error as FastifyError
  if (thrown.validation) {
    reply.code(400).send({ error: validationMessage(thrown) })
    return
  }
  const status = thrown.statusCode
  if (status !== undefined && status >= 400 && status < 500) {
    reply.code(status).send({ message: `${status} ${thrown.message}` })
    return
  }
  log.error(
    { error, requestId: request.id, method: request.method, url: request.url.split('?')[0] },
    'request failed',
  )
  reply.code(500).send({ message: '500 Internal Server Error', request_id: request.id })
}

function sendFailure(failure: Failure, reply: FastifyReply): void {
  const { code, details, hint } = failure
  const retryAfter = details?.['retryAfterSeconds']
  if (retryAfter !== undefined) {
    reply.header('retry-after', String(retryAfter))
    reply.code(429).send({ message: `429 Too Many Requests - ${failure.message}` })
    return
  }
  if (failure.message === 'insufficient_scope') {
    // RFC 6750, section 3.1, as GitLab words it
    reply.code(403).send({
      error: failure.message,
      error_description:
        'The request requires higher privileges than provided by the access token.',
      scope: details?.['scope'],
    })
    return
  }
  const [status, title] = statuses[code]
  if (code === 'unauthorized') reply.header('www-authenticate', 'Bearer realm="Slipway"')
  const { plain, problems, ...fields } = details ?? {}
  if (Object.keys(fields).length > 0 && (code === 'invalid' || code === 'conflict')) {
    reply.code(400).send({ message: fields, hint, problems })
    return
  }
  const hasTitle = plain === true || /^\d{3} /.test(failure.message)
  const message = hasTitle ? failure.message : `${status} ${title} - ${failure.message}`
  reply.code(status).send({ message, hint })
}

/** `page is invalid`, `name is missing`: as Grape puts it. */
function validationMessage(error: FastifyError): string {
  const first = error.validation?.[0]
  if (first === undefined) return 'parameters are invalid'
  if (first.keyword === 'required') return `${first.params['missingProperty']} is missing`
  if (first.keyword === 'additionalProperties')
    return `${first.params['additionalProperty']} is not a parameter`
  const name = first.instancePath.split('/').filter(Boolean).join('.')
  if (name === '')
    return error.validationContext === 'body' ? 'the body is invalid' : 'parameters are invalid'
  if (first.keyword === 'enum') return `${name} does not have a valid value`
  return `${name} is invalid`
}
