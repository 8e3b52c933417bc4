/** One Fastify instance as both dialects use it: bounded bodies, forms, request ids, routes that mean one thing however they are spelled. */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from 'fastify'
import type { Actor, Credentials } from '../../accounts/index.ts'
import { Failure, type Random, uuid } from '../../lib/index.ts'
import { nest, parseQuery } from './form.ts'

export type Server = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/** A request after the auth hook, whatever its route's types. */
export type Request = FastifyRequest

declare module 'fastify' {
  interface FastifyRequest {
    actor: Actor
    /** What it was authenticated with: long streams ask again now and then. */
    credentials: Credentials | undefined
  }
}

const bodyLimit = 1024 * 1024
const maxParamLength = 4096

export function createServer(options: {
  random: Random
  /** Forms and query strings carry text only: `"3"` is a number where one is wanted. Must be off where null in JSON means something. */
  coercesTypes: boolean
}): Server {
  const server: Server = Fastify({
    bodyLimit,
    genReqId: () => uuid(options.random),
    routerOptions: {
      caseSensitive: true,
      ignoreTrailingSlash: true,
      ignoreDuplicateSlashes: true,
      maxParamLength,
      querystringParser: parseQuery,
    },
    ajv: {
      customOptions: {
        coerceTypes: options.coercesTypes ? 'array' : false,
        removeAdditional: false,
        allErrors: false,
      },
    },
  }).withTypeProvider<TypeBoxTypeProvider>()
  // the auth hook sets it before anything reads it
  server.decorateRequest<Actor, 'actor'>('actor', null as never)
  server.decorateRequest('credentials', undefined)
  server.setSerializerCompiler(() => JSON.stringify)
  addBodyParsers(server)
  server.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    reply.header('x-content-type-options', 'nosniff')
    reply.header('cache-control', 'no-store')
  })
  return server
}

function addBodyParsers(server: Server): void {
  // An empty body is none, also when a client says `application/json` (curl -X POST, gitbeaker)
  const parseJson = server.getDefaultJsonParser('error', 'error')
  server.removeContentTypeParser('application/json')
  server.addContentTypeParser(
    /^application\/(json|.*\+json)/,
    { parseAs: 'string' },
    (request, body, done) =>
      body === '' ? done(null, undefined) : parseJson(request, body as string, done),
  )
  server.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => done(null, nest(new URLSearchParams(body as string))),
  )
  server.addContentTypeParser(
    'multipart/form-data',
    { parseAs: 'buffer' },
    async (request: Request, body: Buffer<ArrayBuffer>) => {
      const type = request.headers['content-type'] ?? ''
      return nest(await multipartFields(type, body))
    },
  )
}

/** Plain fields of `curl --form key=value`; files aren't taken here. */
async function multipartFields(
  type: string,
  body: Buffer<ArrayBuffer>,
): Promise<[string, string][]> {
  try {
    const form = await new Response(body, { headers: { 'content-type': type } }).formData()
    return [...form].flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : []))
  } catch (cause) {
    throw new Failure('invalid', 'The multipart body is broken.', { cause })
  }
}

/** Where the request came to, as its client spelled it: `http://host:port`. */
export function originOf(request: Request, external: string): string {
  const host = request.headers.host
  if (host === undefined) return external
  const forwarded = request.headers['x-forwarded-proto']
  const secure = forwarded === 'https' || external.startsWith('https:')
  return `${secure ? 'https' : 'http'}://${host}`
}
