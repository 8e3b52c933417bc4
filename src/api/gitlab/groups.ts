/** `/namespaces`, `/groups`. */
import { type Static, Type } from '@fastify/type-provider-typebox'
import type { Actor, Namespace } from '../../accounts/index.ts'
import { Failure } from '../../lib/index.ts'
import type { Server } from '../http/server.ts'
import type { Urls } from '../ports.ts'
import { type House, userOf } from './context.ts'
import { notFound } from './errors.ts'
import { pageQuery, paginate } from './page.ts'
import { instant, iso, nullable } from './types.ts'

export const NamespaceBody = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  path: Type.String(),
  kind: Type.Union([Type.Literal('user'), Type.Literal('group')]),
  full_path: Type.String(),
  parent_id: nullable(Type.Integer()),
  avatar_url: nullable(Type.String()),
  web_url: Type.String(),
})

const Group = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  path: Type.String(),
  full_name: Type.String(),
  full_path: Type.String(),
  description: Type.String(),
  visibility: Type.String(),
  parent_id: nullable(Type.Integer()),
  avatar_url: nullable(Type.String()),
  web_url: Type.String(),
  created_at: instant,
})

export function namespaceBody(namespace: Namespace, urls: Urls): Static<typeof NamespaceBody> {
  const prefix = namespace.kind === 'group' ? '/groups/' : '/'
  return {
    id: namespace.id,
    name: namespace.name,
    path: lastSegment(namespace.fullPath),
    kind: namespace.kind,
    full_path: namespace.fullPath,
    parent_id: namespace.parentId ?? null,
    avatar_url: null,
    web_url: `${urls.external}${prefix}${namespace.fullPath}`,
  }
}

function groupBody(namespace: Namespace, urls: Urls): Static<typeof Group> {
  const { kind: _, ...common } = namespaceBody(namespace, urls)
  return {
    ...common,
    full_name: namespace.fullPath.split('/').join(' / '),
    description: '',
    visibility: 'private',
    created_at: iso(namespace.createdAt),
  }
}

function lastSegment(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Those with a project that the actor may read, and those that are the actor's own. */
async function visibleNamespaces(house: House, actor: Actor): Promise<Namespace[]> {
  const { accounts } = house
  const all = await accounts.namespaces()
  const withProject = new Set((await accounts.projects(actor)).map(one => one.namespaceId))
  const seen: Namespace[] = []
  for (const namespace of all) {
    const own = await accounts.may(actor, 'namespace:create_project', {
      kind: 'namespace',
      namespace,
    })
    const inside = (one: Namespace) => one.fullPath.startsWith(`${namespace.fullPath}/`)
    if (
      own ||
      withProject.has(namespace.id) ||
      all.some(one => inside(one) && withProject.has(one.id))
    )
      seen.push(namespace)
  }
  return seen
}

async function visibleNamespace(house: House, actor: Actor, id: string): Promise<Namespace> {
  const found = await house.accounts.namespace(/^\d+$/.test(id) ? Number(id) : id)
  const seen = found && (await visibleNamespaces(house, actor)).find(one => one.id === found.id)
  if (seen === undefined) throw notFound('Namespace')
  return seen
}

const listQuery = Type.Object({
  ...pageQuery,
  search: Type.Optional(Type.String()),
  owned: Type.Optional(Type.Boolean()),
})
const idParam = Type.Object({ id: Type.String({ description: 'Number or URL-encoded path.' }) })

export function groupRoutes(server: Server, house: House): void {
  const { urls } = house
  const list = async (actor: Actor, search = '') => {
    const wanted = search.toLowerCase()
    const seen = await visibleNamespaces(house, actor)
    return seen.filter(one => one.fullPath.toLowerCase().includes(wanted))
  }
  server.get(
    '/namespaces',
    {
      schema: {
        summary: 'List namespaces: users and groups',
        tags: ['groups'],
        querystring: listQuery,
        response: { 200: Type.Array(NamespaceBody) },
      },
    },
    async (request, reply) => {
      const seen = await list(request.actor, request.query.search)
      return paginate(request, reply, urls.external, seen).map(one => namespaceBody(one, urls))
    },
  )
  server.get(
    '/namespaces/:id',
    {
      schema: {
        summary: 'One namespace',
        tags: ['groups'],
        params: idParam,
        response: { 200: NamespaceBody },
      },
    },
    async request =>
      namespaceBody(await visibleNamespace(house, request.actor, request.params.id), urls),
  )
  server.get(
    '/groups',
    {
      config: { anonymous: true },
      schema: {
        summary: 'List groups',
        tags: ['groups'],
        querystring: listQuery,
        response: { 200: Type.Array(Group) },
      },
    },
    async (request, reply) => {
      const seen = await list(request.actor, request.query.search)
      const groups = seen.filter(one => one.kind === 'group')
      return paginate(request, reply, urls.external, groups).map(one => groupBody(one, urls))
    },
  )
  server.get(
    '/groups/:id',
    {
      config: { anonymous: true },
      schema: { summary: 'One group', tags: ['groups'], params: idParam, response: { 200: Group } },
    },
    async request => {
      const namespace = await visibleNamespace(house, request.actor, request.params.id)
      if (namespace.kind !== 'group') throw notFound('Group')
      return groupBody(namespace, urls)
    },
  )
  addCreate(server, house)
}

function addCreate(server: Server, house: House): void {
  const { accounts, urls } = house
  server.post(
    '/groups',
    {
      schema: {
        summary: 'Make a group',
        tags: ['groups'],
        body: Type.Object({
          path: Type.String(),
          name: Type.Optional(Type.String()),
          parent_id: Type.Optional(Type.Integer()),
        }),
        response: { 201: Group },
      },
    },
    async (request, reply) => {
      const { path, parent_id: parentId } = request.body
      const parent = parentId === undefined ? undefined : await accounts.namespace(parentId)
      if (parentId !== undefined && parent?.kind !== 'group') throw notFound('Group')
      if (path.includes('/'))
        throw new Failure('invalid', "A group's path has no slash.", {
          details: { path: ["can't contain a slash"] },
        })
      const fullPath = parent ? `${parent.fullPath}/${path}` : path
      if (await accounts.namespace(fullPath))
        throw new Failure('conflict', `${fullPath} is taken.`, {
          details: { path: ['has already been taken'] },
        })
      const made = await accounts.ensureNamespace(fullPath, userOf(request))
      return reply.code(201).send(groupBody(made, urls))
    },
  )
}
