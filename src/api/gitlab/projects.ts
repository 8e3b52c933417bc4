/** `/projects`. */
import { type Static, Type } from '@fastify/type-provider-typebox'
import {
  type Action,
  type Actor,
  accessLevels,
  type Namespace,
  type Project,
} from '../../accounts/index.ts'
import { Failure } from '../../lib/index.ts'
import type { Request, Server } from '../http/server.ts'
import { type House, projectFor, userIdOf, userOf } from './context.ts'
import { forbidden } from './errors.ts'
import { NamespaceBody, namespaceBody } from './groups.ts'
import { pageQuery, paginate } from './page.ts'
import { instant, iso, nullable, projectParam } from './types.ts'
import { BasicUser, basicUser } from './users.ts'

const visibility = Type.Union([
  Type.Literal('private'),
  Type.Literal('internal'),
  Type.Literal('public'),
])

export const ProjectBody = Type.Object({
  id: Type.Integer(),
  description: Type.String(),
  name: Type.String(),
  name_with_namespace: Type.String(),
  path: Type.String(),
  path_with_namespace: Type.String(),
  created_at: instant,
  updated_at: instant,
  last_activity_at: instant,
  default_branch: Type.String(),
  topics: Type.Array(Type.String()),
  ssh_url_to_repo: nullable(Type.String()),
  http_url_to_repo: Type.String(),
  web_url: Type.String(),
  avatar_url: nullable(Type.String()),
  forks_count: Type.Integer(),
  star_count: Type.Integer(),
  visibility,
  archived: Type.Boolean(),
  jobs_enabled: Type.Boolean(),
  issues_enabled: Type.Boolean(),
  merge_requests_enabled: Type.Boolean(),
  container_registry_enabled: Type.Boolean(),
  container_registry_image_prefix: Type.String(),
  ci_config_path: nullable(Type.String()),
  creator_id: Type.Integer(),
  namespace: nullable(NamespaceBody),
  owner: Type.Optional(BasicUser),
  empty_repo: Type.Optional(Type.Boolean()),
  permissions: Type.Optional(
    Type.Object({
      project_access: nullable(
        Type.Object({ access_level: Type.Integer(), notification_level: Type.Integer() }),
      ),
      group_access: Type.Null(),
    }),
  ),
})

export function projectBody(
  house: House,
  project: Project,
  namespace: Namespace | undefined,
): Static<typeof ProjectBody> {
  const { external, registryHost } = house.urls
  return {
    id: project.id,
    description: project.description,
    name: project.name,
    name_with_namespace: `${namespace?.name ?? ''} / ${project.name}`,
    path: project.path,
    path_with_namespace: project.fullPath,
    created_at: iso(project.createdAt),
    updated_at: iso(project.updatedAt),
    last_activity_at: iso(project.updatedAt),
    default_branch: project.defaultBranch,
    topics: [],
    ssh_url_to_repo: null,
    http_url_to_repo: `${external}/${project.fullPath}.git`,
    web_url: `${external}/${project.fullPath}`,
    avatar_url: null,
    forks_count: 0,
    star_count: 0,
    visibility: project.visibility,
    archived: false,
    jobs_enabled: true,
    issues_enabled: false,
    merge_requests_enabled: false,
    container_registry_enabled: true,
    container_registry_image_prefix: `${registryHost}/${project.fullPath.toLowerCase()}`,
    ci_config_path: null,
    creator_id: project.creatorId,
    namespace: namespace ? namespaceBody(namespace, house.urls) : null,
  }
}

async function detailed(house: House, actor: Actor, project: Project) {
  const namespace = await house.accounts.namespace(project.namespaceId)
  const owner =
    namespace?.ownerId === undefined ? undefined : await house.accounts.user(namespace.ownerId)
  const level = await levelOf(house, actor, project)
  const access = level === undefined ? null : { access_level: level, notification_level: 3 }
  return {
    ...projectBody(house, project, namespace),
    ...(owner && { owner: basicUser(owner, house.urls) }),
    empty_repo: (await house.git.branches(project.id)).length === 0,
    permissions: { project_access: access, group_access: null },
  }
}

/** The actor's effective level, from what it may. */
async function levelOf(house: House, actor: Actor, project: Project): Promise<number | undefined> {
  const steps: [Action, number][] = [
    ['project:admin', accessLevels.owner],
    ['project:maintain', accessLevels.maintainer],
    ['project:push', accessLevels.developer],
  ]
  for (const [action, level] of steps)
    if (await house.accounts.may(actor, action, { kind: 'project', project })) return level
  return actor.kind === 'anonymous' ? undefined : accessLevels.reporter
}

export function projectRoutes(server: Server, house: House): void {
  addList(server, house)
  addCreate(server, house)
  addOne(server, house)
}

const orders = ['id', 'name', 'path', 'created_at', 'updated_at', 'last_activity_at'] as const

function addList(server: Server, house: House): void {
  server.get(
    '/projects',
    {
      config: { anonymous: true },
      schema: {
        summary: 'List projects that you may read',
        tags: ['projects'],
        querystring: Type.Object({
          ...pageQuery,
          search: Type.Optional(Type.String()),
          owned: Type.Optional(Type.Boolean()),
          membership: Type.Optional(Type.Boolean()),
          visibility: Type.Optional(visibility),
          simple: Type.Optional(Type.Boolean()),
          order_by: Type.Optional(Type.Union(orders.map(order => Type.Literal(order)))),
          sort: Type.Optional(Type.Union([Type.Literal('asc'), Type.Literal('desc')])),
        }),
        response: { 200: Type.Array(ProjectBody) },
      },
    },
    async (request, reply) => {
      const { query } = request
      const readable = await house.accounts.projects(request.actor)
      const wanted = (query.search ?? '').toLowerCase()
      const found = readable.filter(
        one =>
          (one.name.toLowerCase().includes(wanted) ||
            one.fullPath.toLowerCase().includes(wanted)) &&
          (query.visibility === undefined || one.visibility === query.visibility),
      )
      const mine = await onlyMine(house, request, found, query)
      mine.sort(comparison(query.order_by ?? 'created_at', query.sort ?? 'desc'))
      const page = paginate(request, reply, house.urls.external, mine)
      const namespaces = new Map((await house.accounts.namespaces()).map(one => [one.id, one]))
      return page.map(one => projectBody(house, one, namespaces.get(one.namespaceId)))
    },
  )
}

async function onlyMine(
  house: House,
  request: Request,
  projects: Project[],
  { owned, membership }: { owned?: boolean; membership?: boolean },
): Promise<Project[]> {
  if (!owned && !membership) return projects
  const userId = userIdOf(request.actor)
  const own = new Set(
    (await house.accounts.namespaces()).filter(one => one.ownerId === userId).map(one => one.id),
  )
  const mine: Project[] = []
  for (const project of projects) {
    const isOwned = own.has(project.namespaceId)
    const isMember = async () =>
      (await house.accounts.members(project.id)).some(one => one.user.id === userId)
    if (isOwned || (!owned && (await isMember()))) mine.push(project)
  }
  return mine
}

function comparison(order: (typeof orders)[number], sort: 'asc' | 'desc') {
  const value = (project: Project): string | number =>
    ({
      id: project.id,
      name: project.name.toLowerCase(),
      path: project.path.toLowerCase(),
      created_at: project.createdAt,
      updated_at: project.updatedAt,
      last_activity_at: project.updatedAt,
    })[order]
  const sign = sort === 'asc' ? 1 : -1
  return (a: Project, b: Project) =>
    sign * (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : a.id - b.id)
}

function addCreate(server: Server, house: House): void {
  const { accounts, git, events } = house
  server.post(
    '/projects',
    {
      schema: {
        summary: 'Make a project',
        tags: ['projects'],
        body: Type.Object({
          name: Type.Optional(Type.String()),
          path: Type.Optional(Type.String()),
          namespace_id: Type.Optional(Type.Integer()),
          description: Type.Optional(Type.String()),
          visibility: Type.Optional(visibility),
          default_branch: Type.Optional(Type.String()),
        }),
        response: { 201: ProjectBody },
      },
    },
    async (request, reply) => {
      const { body } = request
      const path = body.path ?? slug(body.name ?? '')
      if (path === '')
        throw new Failure('invalid', 'name is missing', { details: { name: ["can't be blank"] } })
      const creator = userOf(request)
      const namespace = await accounts.namespace(body.namespace_id ?? creator.username)
      const mayCreate =
        namespace &&
        (await accounts.may(request.actor, 'namespace:create_project', {
          kind: 'namespace',
          namespace,
        }))
      if (!namespace || !mayCreate)
        throw new Failure('invalid', 'The namespace is not valid.', {
          details: { namespace: ['is not valid'] },
        })
      const project = await accounts.createProject({
        namespace,
        path,
        name: body.name ?? path,
        description: body.description,
        visibility: body.visibility,
        defaultBranch: body.default_branch,
        creator,
      })
      await git.ensureRepository(project.id)
      events.publish({ type: 'project', projectId: project.id, data: { change: 'created' } })
      return reply.code(201).send(await detailed(house, request.actor, project))
    },
  )
}

/** `Student List!` → `student-list` */
function slug(name: string): string {
  return name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9_.]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
}

function addOne(server: Server, house: House): void {
  const { accounts, events } = house
  server.get(
    '/projects/:id',
    {
      config: { anonymous: true },
      schema: {
        summary: 'One project',
        tags: ['projects'],
        params: projectParam,
        response: { 200: ProjectBody },
      },
    },
    async request =>
      detailed(house, request.actor, await projectFor(house, request, request.params.id)),
  )
  server.put(
    '/projects/:id',
    {
      schema: {
        summary: 'Change a project',
        tags: ['projects'],
        params: projectParam,
        body: Type.Object({
          name: Type.Optional(Type.String()),
          description: Type.Optional(Type.String()),
          visibility: Type.Optional(visibility),
          default_branch: Type.Optional(Type.String()),
          path: Type.Optional(Type.String()),
        }),
        response: { 200: ProjectBody },
      },
    },
    async request => {
      const { body } = request
      const project = await projectFor(house, request, request.params.id, 'project:maintain')
      if (body.path !== undefined && body.path !== project.path)
        throw new Failure('invalid', 'A project keeps its path for now.', {
          details: { path: ["can't be changed yet"] },
        })
      if (body.visibility !== undefined && body.visibility !== project.visibility)
        await mustOwn(house, request, project)
      const branch = body.default_branch
      if (branch !== undefined && !(await hasBranch(house, project, branch)))
        throw new Failure('invalid', `There is no branch ${branch}.`, {
          details: { default_branch: ['does not exist'] },
        })
      const changed = await accounts.updateProject(project.id, {
        name: body.name,
        description: body.description,
        visibility: body.visibility,
        defaultBranch: branch,
      })
      events.publish({ type: 'project', projectId: project.id, data: { change: 'updated' } })
      return detailed(house, request.actor, changed)
    },
  )
  server.delete(
    '/projects/:id',
    {
      schema: {
        summary: 'Delete a project with everything in it',
        tags: ['projects'],
        params: projectParam,
        response: { 202: Type.Object({ message: Type.String() }) },
      },
    },
    async (request, reply) => {
      const project = await projectFor(house, request, request.params.id, 'project:admin')
      await deletePipelines(house, request, project)
      await accounts.deleteProject(project.id)
      await house.git.deleteRepository(project.id)
      events.publish({ type: 'project', projectId: project.id, data: { change: 'deleted' } })
      return reply.code(202).send({ message: '202 Accepted' })
    },
  )
}

async function mustOwn(house: House, request: Request, project: Project): Promise<void> {
  if (!(await house.accounts.may(request.actor, 'project:admin', { kind: 'project', project })))
    throw forbidden('Only an owner changes who sees the project.')
}

async function hasBranch(house: House, project: Project, branch: string): Promise<boolean> {
  return (await house.git.resolve(project.id, `refs/heads/${branch}`)) !== undefined
}

/** Running jobs end first, so that nothing acts for a project that is gone. */
async function deletePipelines(house: House, request: Request, project: Project): Promise<void> {
  const { pipelines } = house
  const user = userOf(request)
  for (;;) {
    const { items } = await pipelines.list(project.id, { page: 1, perPage: 100 })
    if (items.length === 0) return
    for (const pipeline of items) {
      if (pipeline.finishedAt === undefined) await pipelines.cancelPipeline(pipeline.id, user)
      await pipelines.deletePipeline(pipeline.id)
    }
  }
}
