/** `/projects/:id/members`. */
import { type Static, Type } from '@fastify/type-provider-typebox'
import { type AccessLevel, accessLevels, type Project, type User } from '../../accounts/index.ts'
import { Failure } from '../../lib/index.ts'
import type { Server } from '../http/server.ts'
import { type House, projectFor } from './context.ts'
import { notFound } from './errors.ts'
import { pageQuery, paginate } from './page.ts'
import { nullable, projectParam } from './types.ts'
import { BasicUser, basicUser } from './users.ts'

const MemberBody = Type.Object({
  ...BasicUser.properties,
  access_level: Type.Integer(),
  expires_at: nullable(Type.String()),
})
const level = Type.Union(Object.values(accessLevels).map(one => Type.Literal(one)))
const memberParams = Type.Object({ ...projectParam.properties, user_id: Type.Integer() })

type Member = { user: User; accessLevel: AccessLevel }

function memberBody(house: House, { user, accessLevel }: Member): Static<typeof MemberBody> {
  return { ...basicUser(user, house.urls), access_level: accessLevel, expires_at: null }
}

/** With those who own the namespace or a group above it. */
async function allMembers(house: House, project: Project): Promise<Member[]> {
  const { accounts } = house
  const found = new Map<number, Member>()
  for (const member of await accounts.members(project.id)) found.set(member.user.id, member)
  let namespace = await accounts.namespace(project.namespaceId)
  while (namespace) {
    const owner =
      namespace.ownerId === undefined ? undefined : await accounts.user(namespace.ownerId)
    if (owner) found.set(owner.id, { user: owner, accessLevel: accessLevels.owner })
    namespace =
      namespace.parentId === undefined ? undefined : await accounts.namespace(namespace.parentId)
  }
  return [...found.values()]
}

async function memberFor(house: House, project: Project, userId: number): Promise<Member> {
  const member = (await house.accounts.members(project.id)).find(one => one.user.id === userId)
  if (member === undefined) throw notFound('Member')
  return member
}

export function memberRoutes(server: Server, house: House): void {
  for (const path of ['/projects/:id/members', '/projects/:id/members/all'] as const)
    server.get(
      path,
      {
        schema: {
          summary: path.endsWith('all')
            ? 'List members, inherited ones too'
            : 'List direct members',
          tags: ['members'],
          params: projectParam,
          querystring: Type.Object(pageQuery),
          response: { 200: Type.Array(MemberBody) },
        },
      },
      async (request, reply) => {
        const project = await projectFor(house, request, request.params.id)
        const members = path.endsWith('all')
          ? await allMembers(house, project)
          : await house.accounts.members(project.id)
        const page = paginate(request, reply, house.urls.external, members)
        return page.map(one => memberBody(house, one))
      },
    )
  addWrites(server, house)
}

function addWrites(server: Server, house: House): void {
  const { accounts } = house
  server.post(
    '/projects/:id/members',
    {
      schema: {
        summary: 'Add a member',
        tags: ['members'],
        params: projectParam,
        body: Type.Object({
          user_id: Type.Optional(Type.Integer()),
          username: Type.Optional(Type.String()),
          access_level: level,
        }),
        response: { 201: MemberBody },
      },
    },
    async (request, reply) => {
      const project = await projectFor(house, request, request.params.id, 'project:maintain')
      const { user_id: userId, username, access_level: accessLevel } = request.body
      const user = await accounts.user(userId ?? username ?? '')
      if (user === undefined) throw notFound('User')
      if ((await accounts.members(project.id)).some(one => one.user.id === user.id))
        throw new Failure('conflict', '409 Member already exists')
      await guardOwners(house, request, project, accessLevel)
      await accounts.setMember(project.id, user.id, accessLevel)
      return reply.code(201).send(memberBody(house, { user, accessLevel }))
    },
  )
  server.put(
    '/projects/:id/members/:user_id',
    {
      schema: {
        summary: "Change a member's level",
        tags: ['members'],
        params: memberParams,
        body: Type.Object({ access_level: level }),
        response: { 200: MemberBody },
      },
    },
    async request => {
      const project = await projectFor(house, request, request.params.id, 'project:maintain')
      const member = await memberFor(house, project, request.params.user_id)
      const accessLevel = request.body.access_level
      await guardOwners(house, request, project, Math.max(accessLevel, member.accessLevel))
      await accounts.setMember(project.id, member.user.id, accessLevel)
      return memberBody(house, { user: member.user, accessLevel })
    },
  )
  server.delete(
    '/projects/:id/members/:user_id',
    { schema: { summary: 'Remove a member', tags: ['members'], params: memberParams } },
    async (request, reply) => {
      const { actor, params } = request
      const isSelf = actor.kind === 'user' && actor.user.id === params.user_id
      const action = isSelf ? 'project:read' : 'project:maintain'
      const project = await projectFor(house, request, params.id, action)
      const member = await memberFor(house, project, params.user_id)
      if (!isSelf) await guardOwners(house, request, project, member.accessLevel)
      await accounts.setMember(project.id, member.user.id, undefined)
      return reply.code(204).send()
    },
  )
}

/** Only an owner makes, changes or removes owners: a maintainer can't rise. */
async function guardOwners(
  house: House,
  request: Parameters<typeof projectFor>[1],
  project: Project,
  accessLevel: number,
): Promise<void> {
  if (accessLevel >= accessLevels.owner)
    await projectFor(house, request, String(project.id), 'project:admin')
}
