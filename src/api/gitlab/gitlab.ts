/** GitLab's REST API, version 4, as far as it goes. */
import swagger from '@fastify/swagger'
import { createServer, type Server } from '../http/server.ts'
import { addAuth } from './auth.ts'
import { branchRoutes } from './branches.ts'
import { commitRoutes } from './commits.ts'
import type { House } from './context.ts'
import { sendError } from './errors.ts'
import { eventRoutes } from './events.ts'
import { fileRoutes } from './files.ts'
import { groupRoutes } from './groups.ts'
import { jobRoutes } from './jobs.ts'
import { memberRoutes } from './members.ts'
import { metaRoutes, probeRoutes } from './meta.ts'
import { pipelineRoutes } from './pipelines.ts'
import { projectRoutes } from './projects.ts'
import { sessionRoutes } from './session.ts'
import { tokenRoutes } from './tokens.ts'
import { traceRoutes } from './traces.ts'
import { userRunnerRoutes } from './user-runners.ts'
import { userRoutes } from './users.ts'
import { variableRoutes } from './variables.ts'

const resources = [
  metaRoutes,
  sessionRoutes,
  userRoutes,
  userRunnerRoutes,
  tokenRoutes,
  groupRoutes,
  projectRoutes,
  memberRoutes,
  branchRoutes,
  commitRoutes,
  fileRoutes,
  variableRoutes,
  pipelineRoutes,
  jobRoutes,
  traceRoutes,
  eventRoutes,
]

export async function createGitLabApi(house: House): Promise<Server> {
  const server = createServer({ random: house.random, coercesTypes: true })
  server.setErrorHandler((error, request, reply) => sendError(house.log, error, request, reply))
  addAuth(server, house)
  mergeQueryIntoBody(server)
  server.setNotFoundHandler((_request, reply) => {
    reply.code(404).send({ error: '404 Not Found' })
  })
  await server.register(swagger, {
    openapi: {
      openapi: '3.0.3',
      info: { title: 'Slipway: GitLab REST API v4', version: house.version },
    },
  })
  await server.register(
    async scope => {
      for (const routes of resources) routes(scope as Server, house)
    },
    { prefix: '/api/v4' },
  )
  await server.register(async scope => probeRoutes(scope as Server, house))
  return server
}

/** As Grape does: parameters of a change may stand in the query or in the body, which wins. */
function mergeQueryIntoBody(server: Server): void {
  server.addHook('preValidation', async request => {
    if (request.method === 'GET' || request.method === 'HEAD') return
    const { body } = request
    if (body !== undefined && (typeof body !== 'object' || Array.isArray(body))) return
    request.body = { ...(request.query as object), ...body }
  })
}
