/**
 * The runner API over HTTP, as the official gitlab-runner speaks it. It has a server of its own: a job's token is checked against its job
 * here, and a job that has ended is answered 403 with its status, where the rest of the API says 401.
 */
import { Readable } from 'node:stream'
import { Busboy, type BusboyHeaders } from '@fastify/busboy'
import type { FastifyReply } from 'fastify'
import { Failure } from '../../lib/index.ts'
import type { FailureReason, JobStatus, RunnerInfo } from '../../protocol/index.ts'
import { header } from '../http/credentials.ts'
import { createServer, type Request, type Server } from '../http/server.ts'
import { gone } from '../http/sse.ts'
import type { House } from './context.ts'
import { sendError } from './errors.ts'

type RunnerHouse = Pick<House, 'pipelines' | 'clock' | 'random' | 'log'>

/** The runner asks again by itself; proxies cut idle answers at a minute. */
const holdMs = 50_000
/** Seconds between two pieces of log: also how soon a runner hears of a cancel. */
const traceInterval = '3'

/** Paths that this server answers. */
export function isRunnerPath(url: string): boolean {
  return /^\/api\/v4\/(?:jobs\/(?:request|\d+(?:\/(?:trace|artifacts))?)|runners(?:\/[a-z_/]+)?)\/?(?:\?|$)/.test(
    url,
  )
}

/** A server for those paths. */
export function createRunnerApi(house: RunnerHouse): Server {
  const server = createServer({ random: house.random, coercesTypes: true })
  server.setErrorHandler((error, request, reply) => sendError(house.log, error, request, reply))
  server.setNotFoundHandler((_request, reply) => {
    reply.code(404).send({ error: '404 Not Found' })
  })
  server.addContentTypeParser('text/plain', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  )
  server.removeContentTypeParser('multipart/form-data')
  server.addContentTypeParser('multipart/form-data', (_request, payload, done) =>
    done(null, payload),
  )
  server.register(
    async scope => {
      requestRoute(scope as Server, house)
      jobRoutes(scope as Server, house)
      artifactRoutes(scope as Server, house)
      runnerRoutes(scope as Server, house)
    },
    { prefix: '/api/v4' },
  )
  return server
}

function requestRoute(server: Server, house: RunnerHouse): void {
  const { coordinator, runners } = house.pipelines
  server.post('/jobs/request', { bodyLimit: 32 * 1024 }, async (request, reply) => {
    const body = objectOf(request.body)
    const left = gone(reply)
    const over = new AbortController()
    const timer = setTimeout(() => over.abort(), holdMs)
    try {
      const payload = await coordinator.requestJob(
        {
          token: tokenOf(request, body, 'runner-token'),
          system_id: systemIdOf(body),
          info: infoOf(body['info']),
        },
        AbortSignal.any([left, over.signal]),
      )
      if (!payload) return reply.code(204).send()
      if (left.aborted) {
        await runners.giveBack(payload.id)
        return reply.code(204).send()
      }
      giveBackIfUnsent(house, reply, payload.id)
      return reply.code(201).send(payload)
    } finally {
      clearTimeout(timer)
    }
  })
}

/** The connection broke before the payload was out: the job is for somebody else. */
function giveBackIfUnsent(house: RunnerHouse, reply: FastifyReply, jobId: number): void {
  reply.raw.once('close', () => {
    if (reply.raw.writableFinished) return
    house.pipelines.runners.giveBack(jobId).catch(error => {
      house.log.error({ error, jobId }, 'job not given back')
    })
  })
}

function jobRoutes(server: Server, house: RunnerHouse): void {
  const { coordinator } = house.pipelines
  server.put<{ Params: { id: string } }>('/jobs/:id', async (request, reply) => {
    const body = objectOf(request.body)
    const state = body['state']
    if (state !== 'running' && state !== 'success' && state !== 'failed') {
      return reply.code(400).send({ error: 'state does not have a valid value' })
    }
    const { accepted, status } = await coordinator.updateJob(jobIdOf(request.params.id), {
      token: tokenOf(request, body, 'job-token'),
      state,
      failure_reason: textOf(body['failure_reason']) as FailureReason | undefined,
      exit_code: numberOf(body['exit_code']),
      output: outputOf(body['output']),
    })
    return answerStatus(reply, accepted ? 200 : 403, status)
  })
  server.patch<{ Params: { id: string } }>('/jobs/:id/trace', async (request, reply) => {
    const start = /^(?:bytes )?(\d{1,15})-/.exec(header(request, 'content-range') ?? '')?.[1]
    if (start === undefined) {
      return reply.code(400).send({ message: '400 Missing header Content-Range' })
    }
    const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
    const token = tokenOf(request, {}, 'job-token')
    const id = jobIdOf(request.params.id)
    const answer = await coordinator.appendTrace(id, token, Number(start), bytes)
    reply.header('range', `0-${answer.size}`)
    reply.header('x-gitlab-trace-update-interval', traceInterval)
    return answerStatus(reply, traceStatuses[answer.result], answer.status)
  })
}

const traceStatuses = { accepted: 202, range_mismatch: 416, forbidden: 403 } as const

function answerStatus(reply: FastifyReply, code: number, status: JobStatus): FastifyReply {
  reply.code(code).header('job-status', status)
  return code === 403
    ? reply.send({ message: '403 Forbidden - Job is not running' })
    : reply.type('text/plain').send(String(code))
}

function artifactRoutes(server: Server, house: RunnerHouse): void {
  const { coordinator } = house.pipelines
  server.post<{ Params: { id: string } }>('/jobs/:id/artifacts', async (request, reply) => {
    const token = tokenOf(request, {}, 'job-token')
    const id = jobIdOf(request.params.id)
    const query = objectOf(request.query)
    const file = await fileOf(request)
    try {
      await coordinator.uploadArtifact(id, token, {
        filename: file.name,
        artifact_type: textOf(query['artifact_type']) ?? 'archive',
        artifact_format: textOf(query['artifact_format']) ?? 'zip',
        expire_in: textOf(query['expire_in']),
        body: file.body,
      })
    } catch (error) {
      // What is still on its way is read, so that the client gets to the answer.
      file.body.resume()
      throw error
    }
    return reply.code(201).send({ message: '201 Created' })
  })
  server.get<{ Params: { id: string } }>('/jobs/:id/artifacts', async (request, reply) => {
    const token = tokenOf(request, objectOf(request.query), 'job-token')
    const file = await coordinator.downloadArtifact(jobIdOf(request.params.id), token)
    reply.header('content-length', file.size)
    reply.header('content-disposition', `attachment; filename="${encodeURI(file.filename)}"`)
    reply.type('application/octet-stream')
    return reply.send(Readable.from(file.body, { objectMode: false }))
  })
}

/** The part `file` of a multipart body, as it comes. */
function fileOf(request: Request): Promise<{ name: string; body: Readable }> {
  if (!/^multipart\/form-data/i.test(header(request, 'content-type') ?? '')) {
    throw new Failure('invalid', 'file is missing')
  }
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) =>
      reject(new Failure('invalid', 'The multipart body is broken', { cause }))
    const headers = request.headers as BusboyHeaders
    const parser = new Busboy({ headers, limits: { files: 1, fields: 20, fieldSize: 64 * 1024 } })
    parser.on('file', (field, stream, filename) => {
      request.raw.once('close', () => {
        if (!request.raw.complete) stream.destroy(new Error('the upload broke off'))
      })
      if (field === 'file') resolve({ name: filename ?? 'artifacts', body: stream })
      else stream.resume()
    })
    parser.once('finish', () => reject(new Failure('invalid', 'file is missing')))
    parser.once('error', fail)
    request.raw.once('error', fail)
    request.raw.pipe(parser)
  })
}

function runnerRoutes(server: Server, house: RunnerHouse): void {
  const { runners } = house.pipelines
  server.post('/runners/verify', async request => {
    const body = objectOf(request.body)
    const token = tokenOf(request, body, 'runner-token')
    const { id } = await runners.verify(token, systemIdOf(body), infoOf(body['info']))
    return { id, token, token_expires_at: null }
  })
  server.post('/runners/reset_authentication_token', async (request, reply) => {
    const token = tokenOf(request, objectOf(request.body), 'runner-token')
    const reset = await runners.resetToken(token)
    return reply.code(201).send({ ...reset, token_expires_at: null })
  })
  server.delete('/runners', async (request, reply) => {
    await runners.remove(tokenOf(request, objectOf(request.body), 'runner-token'))
    return reply.code(204).send()
  })
  server.delete('/runners/managers', async (request, reply) => {
    const body = objectOf(request.body)
    const systemId = textOf(body['system_id'])
    if (systemId === undefined) return reply.code(400).send({ error: 'system_id is missing' })
    await runners.removeManager(tokenOf(request, body, 'runner-token'), systemId)
    return reply.code(204).send()
  })
  server.post('/runners', async (_request, reply) => {
    const message = '410 Gone - registration tokens are not used here: POST /api/v4/user/runners'
    return reply.code(410).send({ message })
  })
  server.get('/runners/router/discovery', async (_request, reply) =>
    reply.code(501).send({ message: '501 Not Implemented - runners poll' }),
  )
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function numberOf(value: unknown): number | undefined {
  return Number.isInteger(value) ? (value as number) : undefined
}

function tokenOf(
  request: Request,
  body: Record<string, unknown>,
  headerName: 'runner-token' | 'job-token',
): string {
  const token = textOf(body['token']) ?? header(request, headerName)
  if (token === undefined) throw new Failure('forbidden', '403 Forbidden - token is missing')
  return token
}

function systemIdOf(body: Record<string, unknown>): string {
  return (textOf(body['system_id']) ?? '<legacy>').slice(0, 64)
}

function jobIdOf(text: string): number {
  const id = Number(text)
  // Never 404, which could come from any proxy.
  if (!Number.isSafeInteger(id)) throw new Failure('forbidden', '403 Forbidden')
  return id
}

function infoOf(value: unknown): RunnerInfo {
  const info = objectOf(value)
  const features = Object.entries(objectOf(info['features'])).filter(
    (entry): entry is [string, boolean] => typeof entry[1] === 'boolean',
  )
  return {
    name: textOf(info['name']) ?? 'gitlab-runner',
    version: textOf(info['version']) ?? '',
    revision: textOf(info['revision']),
    platform: textOf(info['platform']),
    architecture: textOf(info['architecture']),
    executor: textOf(info['executor']),
    shell: textOf(info['shell']),
    features: Object.fromEntries(features),
  }
}

function outputOf(value: unknown): { checksum: string; bytesize: number } | undefined {
  const output = objectOf(value)
  const bytesize = numberOf(output['bytesize'])
  return bytesize === undefined
    ? undefined
    : { checksum: textOf(output['checksum']) ?? '', bytesize }
}
