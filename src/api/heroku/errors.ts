/** Failures in Heroku's dialect: `{"id", "message"[, "resource"]}` (devcenter.heroku.com/articles/platform-api-reference#errors). */
import type { FastifyError, FastifyReply } from 'fastify'
import { Failure, type FailureCode, type Logger } from '../../lib/index.ts'
import type { Request } from '../http/server.ts'

const table: Record<FailureCode, [status: number, id: string]> = {
  invalid: [422, 'invalid_params'],
  unauthorized: [401, 'unauthorized'],
  forbidden: [403, 'forbidden'],
  not_found: [404, 'not_found'],
  conflict: [409, 'conflict'],
  too_large: [413, 'bad_request'],
  unavailable: [503, 'maintenance'],
  internal: [500, 'internal_server_error'],
}

export function notFound(resource: string): Failure {
  const name = resource.replaceAll('_', ' ')
  return new Failure('not_found', `Couldn't find that ${name}.`, { details: { resource } })
}

export function sendError(
  log: Logger,
  error: unknown,
  request: Request,
  reply: FastifyReply,
): FastifyReply {
  if (error instanceof Failure) {
    const retryAfter = error.details?.['retryAfterSeconds']
    if (retryAfter !== undefined)
      return reply
        .code(429)
        .header('retry-after', String(retryAfter))
        .send({ id: 'rate_limit', message: error.message })
    const [status, id] = table[error.code]
    const resource = error.details?.['resource'] ?? (error.code === 'not_found' ? 'app' : undefined)
    const message = error.hint === undefined ? error.message : `${error.message} (${error.hint})`
    return reply.code(status).send({ id, message, ...(resource !== undefined && { resource }) })
  }
  const status = (error as FastifyError).statusCode
  if (status !== undefined && status < 500) {
    const message = (error as FastifyError).message
    return reply
      .code(status === 400 ? 422 : status)
      .send({ id: status === 400 ? 'invalid_params' : 'bad_request', message })
  }
  log.error({ error, requestId: request.id, path: request.url.split('?')[0] }, 'request failed')
  return reply
    .code(500)
    .send({ id: 'internal_server_error', message: `Internal error; request ${request.id}.` })
}
