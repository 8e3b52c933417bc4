/** `/projects/:id/pipelines`. */
import { type Static, Type } from '@fastify/type-provider-typebox'
import type { Project } from '../../accounts/index.ts'
import type { Job, Pipeline } from '../../ci/index.ts'
import type { Request, Server } from '../http/server.ts'
import { type House, projectFor, userOf } from './context.ts'
import { badRequest, forbidden, invalidBase, notFound } from './errors.ts'
import { pageOf, pageQuery, setPageHeaders } from './page.ts'
import { DetailedStatus, detailedStatus, seconds } from './status.ts'
import { instant, iso, isoOrNull, nullable, projectParam } from './types.ts'
import { BasicUser, basicUser } from './users.ts'

export const PipelineItem = Type.Object({
  id: Type.Integer(),
  iid: Type.Integer(),
  project_id: Type.Integer(),
  sha: Type.String(),
  ref: Type.String(),
  status: Type.String(),
  source: Type.String(),
  name: nullable(Type.String()),
  created_at: instant,
  updated_at: instant,
  web_url: Type.String(),
})

const ProblemBody = Type.Object({
  severity: Type.String(),
  file: Type.String(),
  line: Type.Integer(),
  column: Type.Integer(),
  message: Type.String(),
  job: Type.Optional(Type.String()),
  hint: Type.Optional(Type.String()),
})

export const PipelineBody = Type.Object({
  ...PipelineItem.properties,
  before_sha: Type.String(),
  tag: Type.Boolean(),
  yaml_errors: nullable(Type.String()),
  user: nullable(BasicUser),
  started_at: nullable(instant),
  finished_at: nullable(instant),
  committed_at: Type.Null(),
  duration: nullable(Type.Number()),
  queued_duration: nullable(Type.Number()),
  coverage: nullable(Type.String()),
  detailed_status: DetailedStatus,
  problems: Type.Array(ProblemBody, {
    description: "Slipway's own: errors and warnings of .gitlab-ci.yml with their places.",
  }),
  stages: Type.Array(Type.String(), { description: "Slipway's own: in order." }),
})

export function pipelineUrl(house: House, project: Project, pipelineId: number): string {
  return `${house.urls.external}/${project.fullPath}/-/pipelines/${pipelineId}`
}

export function pipelineItem(
  house: House,
  project: Project,
  pipeline: Pipeline,
): Static<typeof PipelineItem> {
  return {
    id: pipeline.id,
    iid: pipeline.iid,
    project_id: pipeline.projectId,
    sha: pipeline.sha,
    ref: pipeline.ref,
    status: pipeline.status,
    source: pipeline.source,
    name: pipeline.name ?? null,
    created_at: iso(pipeline.createdAt),
    updated_at: iso(pipeline.updatedAt),
    web_url: pipelineUrl(house, project, pipeline.id),
  }
}

export async function pipelineBody(
  house: House,
  project: Project,
  pipeline: Pipeline,
): Promise<Static<typeof PipelineBody>> {
  const user = await house.accounts.user(pipeline.userId)
  const errors = pipeline.problems.filter(one => one.severity === 'error')
  const jobs = await house.pipelines.jobs(pipeline.id)
  return {
    ...pipelineItem(house, project, pipeline),
    before_sha: pipeline.beforeSha,
    tag: pipeline.tag,
    yaml_errors: errors.length === 0 ? null : errors.map(one => one.message).join('\n'),
    user: user ? basicUser(user, house.urls) : null,
    started_at: isoOrNull(pipeline.startedAt),
    finished_at: isoOrNull(pipeline.finishedAt),
    committed_at: null,
    duration: seconds(pipeline.startedAt, pipeline.finishedAt),
    queued_duration: seconds(pipeline.createdAt, pipeline.startedAt),
    coverage: coverage(jobs),
    detailed_status: detailedStatus(
      pipeline.status,
      `/${project.fullPath}/-/pipelines/${pipeline.id}`,
    ),
    problems: pipeline.problems,
    stages: pipeline.plan.stages,
  }
}

/** The mean of the jobs that told one. */
function coverage(jobs: readonly Job[]): string | null {
  const told = jobs.flatMap(job => (job.coverage === undefined ? [] : [job.coverage]))
  if (told.length === 0) return null
  return (told.reduce((sum, one) => sum + one, 0) / told.length).toFixed(2)
}

export const pipelineParams = Type.Object({
  ...projectParam.properties,
  pipeline_id: Type.Integer(),
})

/** A pipeline of another project isn't there. */
export async function pipelineFor(
  house: House,
  project: Project,
  pipelineId: number,
): Promise<Pipeline> {
  const pipeline = await house.pipelines.get(pipelineId)
  if (pipeline?.projectId !== project.id) throw notFound('Pipeline')
  return pipeline
}

export function pipelineRoutes(server: Server, house: House): void {
  addList(server, house)
  addReads(server, house)
  addCreate(server, house)
  addActions(server, house)
}

function addList(server: Server, house: House): void {
  server.get(
    '/projects/:id/pipelines',
    {
      config: { anonymous: true },
      schema: {
        summary: 'List pipelines, the newest first',
        tags: ['pipelines'],
        params: projectParam,
        querystring: Type.Object({
          ...pageQuery,
          ref: Type.Optional(Type.String()),
          sha: Type.Optional(Type.String()),
          status: Type.Optional(Type.String()),
          source: Type.Optional(Type.String()),
          scope: Type.Optional(Type.String()),
          username: Type.Optional(Type.String()),
        }),
        response: { 200: Type.Array(PipelineItem) },
      },
    },
    async (request, reply) => {
      const project = await projectFor(house, request, request.params.id)
      const { ref, sha, status, source, scope, username } = request.query
      const filter = { ref, sha, status, source, scope, username }
      const found = await house.pipelines.list(project.id, { ...pageOf(request.query), ...filter })
      setPageHeaders(request, reply, house.urls.external, found.total)
      return found.items.map(one => pipelineItem(house, project, one))
    },
  )
}

function addReads(server: Server, house: House): void {
  server.get(
    '/projects/:id/pipelines/latest',
    {
      config: { anonymous: true },
      schema: {
        summary: 'The latest pipeline of a branch or tag',
        tags: ['pipelines'],
        params: projectParam,
        querystring: Type.Object({ ref: Type.Optional(Type.String()) }),
        response: { 200: PipelineBody },
      },
    },
    async request => {
      const project = await projectFor(house, request, request.params.id)
      const ref = request.query.ref ?? project.defaultBranch
      const { items } = await house.pipelines.list(project.id, { ref, page: 1, perPage: 1 })
      if (items[0] === undefined) throw notFound('Pipeline')
      return pipelineBody(house, project, items[0])
    },
  )
  server.get(
    '/projects/:id/pipelines/:pipeline_id',
    {
      config: { anonymous: true },
      schema: {
        summary: 'One pipeline',
        tags: ['pipelines'],
        params: pipelineParams,
        response: { 200: PipelineBody },
      },
    },
    async request => {
      const project = await projectFor(house, request, request.params.id)
      const pipeline = await pipelineFor(house, project, request.params.pipeline_id)
      return pipelineBody(house, project, pipeline)
    },
  )
  server.get(
    '/projects/:id/pipelines/:pipeline_id/variables',
    {
      schema: {
        summary: 'Variables that were given when it was started',
        tags: ['pipelines'],
        params: pipelineParams,
        response: {
          200: Type.Array(
            Type.Object({ variable_type: Type.String(), key: Type.String(), value: Type.String() }),
          ),
        },
      },
    },
    async request => {
      const project = await projectFor(house, request, request.params.id)
      const pipeline = await pipelineFor(house, project, request.params.pipeline_id)
      if (pipeline.userId !== userOf(request).id)
        await projectFor(house, request, request.params.id, 'project:maintain')
      return pipeline.variables.map(one => ({
        variable_type: one.type,
        key: one.key,
        value: one.value,
      }))
    },
  )
}

const givenVariables = Type.Optional(
  Type.Array(
    Type.Object({
      key: Type.String(),
      value: Type.String(),
      variable_type: Type.Optional(Type.Union([Type.Literal('env_var'), Type.Literal('file')])),
    }),
  ),
)

function addCreate(server: Server, house: House): void {
  server.post(
    '/projects/:id/pipeline',
    {
      schema: {
        summary: 'Start a pipeline',
        tags: ['pipelines'],
        params: projectParam,
        body: Type.Object({ ref: Type.String(), variables: givenVariables }),
        response: { 201: PipelineBody },
      },
    },
    async (request, reply) => {
      const project = await projectFor(house, request, request.params.id, 'project:push')
      const { ref, sha } = await resolveRef(house, project, request.body.ref)
      const outcome = await house.pipelines.create({
        project,
        user: userOf(request),
        ref,
        sha,
        source: request.credentials?.kind === 'session' ? 'web' : 'api',
        variables: request.body.variables?.map(one => ({
          key: one.key,
          value: one.value,
          type: one.variable_type ?? 'env_var',
        })),
      })
      if (outcome.kind === 'none') throw invalidBase([outcome.reason])
      if (outcome.kind === 'invalid') {
        const errors = outcome.problems.filter(one => one.severity === 'error')
        throw invalidBase(
          errors.map(one => one.message),
          { problems: outcome.problems },
        )
      }
      return reply.code(201).send(await pipelineBody(house, project, outcome.pipeline))
    },
  )
}

/** A branch or tag by its short or full name. */
async function resolveRef(house: House, project: Project, name: string) {
  const candidates = name.startsWith('refs/') ? [name] : [`refs/heads/${name}`, `refs/tags/${name}`]
  for (const ref of candidates) {
    if (!/^refs\/(heads|tags)\//.test(ref)) continue
    const sha = await house.git.resolve(project.id, ref)
    if (sha !== undefined) return { ref, sha }
  }
  throw invalidBase(['Reference not found'])
}

function addActions(server: Server, house: House): void {
  const load = async (request: Request, id: string, pipelineId: number) => {
    const project = await projectFor(house, request, id, 'project:push')
    return { project, pipeline: await pipelineFor(house, project, pipelineId) }
  }
  server.post(
    '/projects/:id/pipelines/:pipeline_id/retry',
    {
      schema: {
        summary: 'Run failed and canceled jobs again',
        tags: ['pipelines'],
        params: pipelineParams,
        response: { 201: PipelineBody },
      },
    },
    async (request, reply) => {
      const { id, pipeline_id: pipelineId } = request.params
      const { project, pipeline } = await load(request, id, pipelineId)
      const retried = await house.pipelines.retryPipeline(pipeline.id, userOf(request))
      return reply.code(201).send(await pipelineBody(house, project, retried))
    },
  )
  server.post(
    '/projects/:id/pipelines/:pipeline_id/cancel',
    {
      schema: {
        summary: 'Cancel all jobs that have not ended',
        tags: ['pipelines'],
        params: pipelineParams,
        response: { 200: PipelineBody },
      },
    },
    async request => {
      const { id, pipeline_id: pipelineId } = request.params
      const { project, pipeline } = await load(request, id, pipelineId)
      const canceled = await house.pipelines.cancelPipeline(pipeline.id, userOf(request))
      return pipelineBody(house, project, canceled)
    },
  )
  server.delete(
    '/projects/:id/pipelines/:pipeline_id',
    {
      schema: { summary: 'Delete a pipeline', tags: ['pipelines'], params: pipelineParams },
    },
    async (request, reply) => {
      const { id, pipeline_id: pipelineId } = request.params
      const project = await projectFor(house, request, id)
      const isOwner = await house.accounts.may(request.actor, 'project:admin', {
        kind: 'project',
        project,
      })
      if (!isOwner) throw forbidden('Only an owner of the project deletes pipelines.')
      const pipeline = await pipelineFor(house, project, pipelineId)
      if (pipeline.finishedAt === undefined && pipeline.startedAt !== undefined)
        throw badRequest('400 Bad request - cancel the pipeline before deleting it')
      await house.pipelines.deletePipeline(pipeline.id)
      return reply.code(204).send()
    },
  )
}
