/** `/projects/:id/jobs` and `/projects/:id/pipelines/:pipeline_id/jobs`. */
import { type Static, Type } from '@fastify/type-provider-typebox'
import type { Project, User } from '../../accounts/index.ts'
import type { Job, Pipeline } from '../../ci/index.ts'
import type { Commit } from '../../git/index.ts'
import { Failure } from '../../lib/index.ts'
import type { Request, Server } from '../http/server.ts'
import { CommitBody, commitBody } from './commits.ts'
import { type House, projectFor, userOf } from './context.ts'
import { badRequest, notFound, unauthorized } from './errors.ts'
import { pageOf, pageQuery, paginate, setPageHeaders } from './page.ts'
import { PipelineItem, pipelineFor, pipelineItem, pipelineParams } from './pipelines.ts'
import { seconds } from './status.ts'
import { instant, iso, isoOrNull, nullable, projectParam } from './types.ts'
import { BasicUser, basicUser } from './users.ts'

const ArtifactBody = Type.Object({
  file_type: Type.String(),
  size: Type.Integer(),
  filename: Type.String(),
  file_format: Type.String(),
})

export const JobBody = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  stage: Type.String(),
  status: Type.String(),
  ref: Type.String(),
  tag: Type.Boolean(),
  coverage: nullable(Type.Number()),
  allow_failure: Type.Boolean(),
  created_at: instant,
  queued_at: nullable(instant),
  started_at: nullable(instant),
  finished_at: nullable(instant),
  erased_at: nullable(instant),
  duration: nullable(Type.Number()),
  queued_duration: nullable(Type.Number()),
  user: nullable(BasicUser),
  commit: nullable(CommitBody),
  pipeline: PipelineItem,
  failure_reason: Type.Optional(Type.String()),
  exit_code: Type.Optional(Type.Integer({ description: "Slipway's own." })),
  web_url: Type.String(),
  project: Type.Object({ ci_job_token_scope_enabled: Type.Boolean() }),
  artifacts: Type.Array(ArtifactBody),
  artifacts_file: Type.Optional(Type.Object({ filename: Type.String(), size: Type.Integer() })),
  artifacts_expire_at: nullable(instant),
  archived: Type.Boolean(),
  tag_list: Type.Array(Type.String()),
  runner: nullable(Type.Object({ id: Type.Integer() })),
  when: Type.String({ description: "Slipway's own, as in .gitlab-ci.yml." }),
  scheduled_at: nullable(instant),
  retried_by: nullable(Type.Integer({ description: "Slipway's own: the job in its place." })),
  image: nullable(Type.String({ description: "Slipway's own." })),
  environment: nullable(Type.Object({ name: Type.String(), url: nullable(Type.String()) })),
  needs: nullable(
    Type.Array(
      Type.Object({ name: Type.String(), artifacts: Type.Boolean(), optional: Type.Boolean() }),
      { description: "Slipway's own; null waits for all earlier stages." },
    ),
  ),
  why: Type.Array(
    Type.Object({
      at: Type.String(),
      text: Type.String(),
      matched: Type.Boolean(),
      detail: Type.Optional(Type.String()),
      line: Type.Optional(Type.Integer()),
    }),
    { description: "Slipway's own: the rules that put it into the pipeline." },
  ),
})

/** Looks up what jobs of one list share, once. */
function jobViews(house: House, project: Project) {
  const users = remembered((id: number) => house.accounts.user(id))
  const commits = remembered((sha: string) => house.git.commit(project.id, sha))
  const pipelines = remembered((id: number) => house.pipelines.get(id))
  return async (job: Job): Promise<Static<typeof JobBody>> => {
    const pipeline = await pipelines(job.pipelineId)
    if (pipeline === undefined) throw notFound('Pipeline')
    const [user, commit] = [await users(job.userId), await commits(pipeline.sha)]
    return jobBody(house, project, { job, pipeline, user, commit })
  }
}

function remembered<K, V>(load: (key: K) => Promise<V>): (key: K) => Promise<V> {
  const known = new Map<K, Promise<V>>()
  return key => {
    const value = known.get(key) ?? load(key)
    known.set(key, value)
    return value
  }
}

function jobBody(
  house: House,
  project: Project,
  facts: { job: Job; pipeline: Pipeline; user?: User; commit?: Commit },
): Static<typeof JobBody> {
  const { job, pipeline, user, commit } = facts
  const { plan } = job
  const archive = job.artifacts.find(one => one.type === 'archive')
  return {
    id: job.id,
    name: job.name,
    stage: job.stage,
    status: job.status,
    ref: pipeline.ref,
    tag: pipeline.tag,
    coverage: job.coverage ?? null,
    allow_failure: plan.allowFailure,
    created_at: iso(job.createdAt),
    queued_at: isoOrNull(job.queuedAt),
    started_at: isoOrNull(job.startedAt),
    finished_at: isoOrNull(job.finishedAt),
    erased_at: isoOrNull(job.erasedAt),
    duration: seconds(job.startedAt, job.finishedAt ?? house.clock.now()),
    queued_duration: seconds(job.queuedAt, job.startedAt ?? house.clock.now()),
    user: user ? basicUser(user, house.urls) : null,
    commit: commit ? commitBody(house, project, commit) : null,
    pipeline: pipelineItem(house, project, pipeline),
    ...(job.failureReason !== undefined && { failure_reason: job.failureReason }),
    ...(job.exitCode !== undefined && { exit_code: job.exitCode }),
    web_url: `${house.urls.external}/${project.fullPath}/-/jobs/${job.id}`,
    project: { ci_job_token_scope_enabled: true },
    artifacts: job.artifacts.map(one => ({
      file_type: one.type,
      size: one.sizeBytes,
      filename: one.filename,
      file_format: one.format,
    })),
    ...(archive && { artifacts_file: { filename: archive.filename, size: archive.sizeBytes } }),
    artifacts_expire_at: isoOrNull(archive?.expireAt),
    archived: false,
    tag_list: plan.tags,
    runner: job.runnerId === undefined ? null : { id: job.runnerId },
    ...planFacts(job),
  }
}

function planFacts({ plan, scheduledAt, retriedBy }: Job) {
  const { environment } = plan
  return {
    when: plan.when,
    scheduled_at: isoOrNull(scheduledAt),
    retried_by: retriedBy ?? null,
    image: plan.image?.name ?? null,
    environment: environment ? { name: environment.name, url: environment.url ?? null } : null,
    needs:
      plan.needs?.map(({ job, artifacts, optional }) => ({ name: job, artifacts, optional })) ??
      null,
    why: plan.why,
  }
}

export const jobParams = Type.Object({ ...projectParam.properties, job_id: Type.Integer() })

/** A job of another project isn't there. */
export async function jobFor(house: House, project: Project, jobId: number): Promise<Job> {
  const job = await house.pipelines.job(jobId)
  if (job?.projectId !== project.id) throw notFound('Job')
  return job
}

const scopeQuery = Type.Optional(
  Type.Array(Type.String(), { description: 'Only jobs in these states.' }),
)

export function jobRoutes(server: Server, house: House): void {
  addLists(server, house)
  addOne(server, house)
  addActions(server, house)
}

function addLists(server: Server, house: House): void {
  server.get(
    '/projects/:id/jobs',
    {
      config: { anonymous: true },
      schema: {
        summary: 'List jobs of a project, the newest first',
        tags: ['jobs'],
        params: projectParam,
        querystring: Type.Object({ ...pageQuery, scope: scopeQuery }),
        response: { 200: Type.Array(JobBody) },
      },
    },
    async (request, reply) => {
      const project = await projectFor(house, request, request.params.id)
      const found = await house.pipelines.projectJobs(project.id, {
        ...pageOf(request.query),
        status: request.query.scope,
      })
      setPageHeaders(request, reply, house.urls.external, found.total)
      return Promise.all(found.items.map(jobViews(house, project)))
    },
  )
  server.get(
    '/projects/:id/pipelines/:pipeline_id/jobs',
    {
      config: { anonymous: true },
      schema: {
        summary: 'List jobs of a pipeline',
        tags: ['jobs'],
        params: pipelineParams,
        querystring: Type.Object({
          ...pageQuery,
          scope: scopeQuery,
          include_retried: Type.Optional(Type.Boolean()),
        }),
        response: { 200: Type.Array(JobBody) },
      },
    },
    async (request, reply) => {
      const project = await projectFor(house, request, request.params.id)
      const pipeline = await pipelineFor(house, project, request.params.pipeline_id)
      const { scope, include_retried: includeRetried } = request.query
      const all = await house.pipelines.jobs(pipeline.id, { includeRetried })
      const found = all.filter(one => scope === undefined || scope.includes(one.status))
      const page = paginate(request, reply, house.urls.external, found)
      return Promise.all(page.map(jobViews(house, project)))
    },
  )
}

function addOne(server: Server, house: House): void {
  server.get(
    '/projects/:id/jobs/:job_id',
    {
      config: { anonymous: true },
      schema: {
        summary: 'One job',
        tags: ['jobs'],
        params: jobParams,
        response: { 200: JobBody },
      },
    },
    async request => {
      const project = await projectFor(house, request, request.params.id)
      const job = await jobFor(house, project, request.params.job_id)
      return jobViews(house, project)(job)
    },
  )
  server.get(
    '/job',
    {
      config: { job: true },
      schema: {
        summary: 'The job whose token asks',
        tags: ['jobs'],
        response: { 200: JobBody },
      },
    },
    async request => {
      const { actor } = request
      if (actor.kind !== 'job') throw unauthorized()
      const project = await projectFor(house, request, String(actor.projectId))
      return jobViews(house, project)(await jobFor(house, project, actor.jobId))
    },
  )
}

function addActions(server: Server, house: House): void {
  const { pipelines } = house
  const load = async (request: Request, id: string, jobId: number) => {
    const project = await projectFor(house, request, id, 'project:push')
    return { project, job: await jobFor(house, project, jobId), user: userOf(request) }
  }
  const schema = (summary: string) => ({ summary, tags: ['jobs'], params: jobParams })
  server.post(
    '/projects/:id/jobs/:job_id/play',
    {
      schema: {
        ...schema('Start a manual or delayed job now'),
        body: Type.Object({
          job_variables_attributes: Type.Optional(
            Type.Array(Type.Object({ key: Type.String(), value: Type.String() })),
          ),
        }),
        response: { 200: JobBody },
      },
    },
    async request => {
      const { project, job, user } = await load(request, request.params.id, request.params.job_id)
      const given = request.body.job_variables_attributes
      const played = await pipelines.play(job.id, user, given).catch(unless('conflict', unplayable))
      return jobViews(house, project)(played)
    },
  )
  server.post(
    '/projects/:id/jobs/:job_id/retry',
    { schema: { ...schema('Run a job again'), response: { 201: JobBody } } },
    async (request, reply) => {
      const { project, job, user } = await load(request, request.params.id, request.params.job_id)
      const made = await pipelines.retry(job.id, user).catch(unless('conflict', notRetryable))
      return reply.code(201).send(await jobViews(house, project)(made))
    },
  )
  server.post(
    '/projects/:id/jobs/:job_id/cancel',
    { schema: { ...schema('Cancel a job'), response: { 201: JobBody } } },
    async (request, reply) => {
      const { project, job, user } = await load(request, request.params.id, request.params.job_id)
      const canceled = await pipelines.cancel(job.id, user)
      return reply.code(201).send(await jobViews(house, project)(canceled))
    },
  )
}

function unless(code: Failure['code'], instead: (failure: Failure) => Failure) {
  return (error: unknown): never => {
    throw error instanceof Failure && error.code === code ? instead(error) : error
  }
}

function unplayable(): Failure {
  return badRequest('400 Bad request - Unplayable Job')
}

function notRetryable({ hint }: Failure): Failure {
  return new Failure('forbidden', '403 Forbidden - Job is not retryable', { hint })
}
