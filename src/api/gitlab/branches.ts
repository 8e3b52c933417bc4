/** `/projects/:id/repository/branches` and `…/tags`. */
import { type Static, Type } from '@fastify/type-provider-typebox'
import type { Project } from '../../accounts/index.ts'
import type { Branch } from '../../git/index.ts'
import { Failure } from '../../lib/index.ts'
import type { Request, Server } from '../http/server.ts'
import { CommitBody, commitBody } from './commits.ts'
import { type House, projectFor, userOf } from './context.ts'
import { badRequest, notFound } from './errors.ts'
import { pageQuery, paginate } from './page.ts'
import { nullable, projectParam } from './types.ts'

const BranchBody = Type.Object({
  name: Type.String(),
  commit: CommitBody,
  merged: Type.Boolean(),
  protected: Type.Boolean(),
  default: Type.Boolean(),
  can_push: Type.Boolean(),
  developers_can_push: Type.Boolean(),
  developers_can_merge: Type.Boolean(),
  web_url: Type.String(),
})

const TagBody = Type.Object({
  name: Type.String(),
  message: Type.String(),
  target: Type.String(),
  commit: CommitBody,
  release: Type.Null(),
  protected: Type.Boolean(),
  created_at: nullable(Type.String()),
})

const listQuery = Type.Object({
  ...pageQuery,
  search: Type.Optional(
    Type.String({ description: 'Part of the name; `^x` begins with, `x$` ends with.' }),
  ),
})
const branchParams = Type.Object({ ...projectParam.properties, branch: Type.String() })
const tagParams = Type.Object({ ...projectParam.properties, tag_name: Type.String() })

export function branchRoutes(server: Server, house: House): void {
  addReads(server, house)
  addWrites(server, house)
  addTags(server, house)
}

async function branchBodies(
  house: House,
  request: Request,
  project: Project,
  branches: readonly Branch[],
): Promise<Static<typeof BranchBody>[]> {
  const mayPush = await house.accounts.may(request.actor, 'project:push', {
    kind: 'project',
    project,
  })
  return branches.map(({ name, commit }) => ({
    name,
    commit: commitBody(house, project, commit),
    merged: false,
    protected: name === project.defaultBranch,
    default: name === project.defaultBranch,
    can_push: mayPush,
    developers_can_push: true,
    developers_can_merge: true,
    web_url: `${house.urls.external}/${project.fullPath}/-/tree/${encodeURI(name)}`,
  }))
}

function matching(search: string | undefined): (one: Branch) => boolean {
  if (search === undefined) return () => true
  if (search.startsWith('^')) return ({ name }) => name.startsWith(search.slice(1))
  if (search.endsWith('$')) return ({ name }) => name.endsWith(search.slice(0, -1))
  return ({ name }) => name.toLowerCase().includes(search.toLowerCase())
}

function addReads(server: Server, house: House): void {
  const { git, urls } = house
  server.get(
    '/projects/:id/repository/branches',
    {
      config: { anonymous: true, scopes: ['read_repository'] },
      schema: {
        summary: 'List branches',
        tags: ['repository'],
        params: projectParam,
        querystring: listQuery,
        response: { 200: Type.Array(BranchBody) },
      },
    },
    async (request, reply) => {
      const project = await projectFor(house, request, request.params.id)
      const found = (await git.branches(project.id)).filter(matching(request.query.search))
      return branchBodies(house, request, project, paginate(request, reply, urls.external, found))
    },
  )
  server.get(
    '/projects/:id/repository/branches/:branch',
    {
      config: { anonymous: true, scopes: ['read_repository'] },
      schema: {
        summary: 'One branch',
        tags: ['repository'],
        params: branchParams,
        response: { 200: BranchBody },
      },
    },
    async request => {
      const project = await projectFor(house, request, request.params.id)
      const name = request.params.branch
      const commit = await git.commit(project.id, `refs/heads/${name}`)
      if (commit === undefined) throw notFound('Branch')
      return (await branchBodies(house, request, project, [{ name, commit }]))[0]!
    },
  )
}

function addWrites(server: Server, house: House): void {
  const { git } = house
  server.post(
    '/projects/:id/repository/branches',
    {
      schema: {
        summary: 'Make a branch; a pipeline starts as for a push',
        tags: ['repository'],
        params: projectParam,
        body: Type.Object({ branch: Type.String(), ref: Type.String() }),
        response: { 201: BranchBody },
      },
    },
    async (request, reply) => {
      const project = await projectFor(house, request, request.params.id, 'project:push')
      const { branch, ref } = request.body
      const made = await git
        .createBranch(project, userOf(request), branch, ref)
        .catch(error => Promise.reject(asGitLabSays(error, ref)))
      return reply.code(201).send((await branchBodies(house, request, project, [made]))[0]!)
    },
  )
  server.delete(
    '/projects/:id/repository/branches/:branch',
    {
      schema: { summary: 'Delete a branch', tags: ['repository'], params: branchParams },
    },
    async (request, reply) => {
      const project = await projectFor(house, request, request.params.id, 'project:push')
      const { branch } = request.params
      if (!(await git.resolve(project.id, `refs/heads/${branch}`))) throw notFound('Branch')
      if (branch === project.defaultBranch)
        throw new Failure('forbidden', '403 Forbidden - The default branch stays', {
          hint: 'Make another branch the default first.',
        })
      await git.deleteBranch(project, userOf(request), branch)
      return reply.code(204).send()
    },
  )
}

function asGitLabSays(error: unknown, ref: string): unknown {
  if (!(error instanceof Failure)) return error
  if (error.code === 'conflict') return badRequest('Branch already exists')
  if (error.code === 'not_found') return badRequest(`Invalid reference name: ${ref}`)
  if (error.code === 'invalid') return badRequest('Branch name is invalid')
  return error
}

function addTags(server: Server, house: House): void {
  const { git, urls } = house
  const body = (project: Project, { name, commit }: Branch): Static<typeof TagBody> => ({
    name,
    message: '',
    target: commit.sha,
    commit: commitBody(house, project, commit),
    release: null,
    protected: false,
    created_at: null,
  })
  server.get(
    '/projects/:id/repository/tags',
    {
      config: { anonymous: true, scopes: ['read_repository'] },
      schema: {
        summary: 'List tags',
        tags: ['repository'],
        params: projectParam,
        querystring: listQuery,
        response: { 200: Type.Array(TagBody) },
      },
    },
    async (request, reply) => {
      const project = await projectFor(house, request, request.params.id)
      const found = (await git.tags(project.id)).filter(matching(request.query.search))
      return paginate(request, reply, urls.external, found).map(one => body(project, one))
    },
  )
  server.get(
    '/projects/:id/repository/tags/:tag_name',
    {
      config: { anonymous: true, scopes: ['read_repository'] },
      schema: {
        summary: 'One tag',
        tags: ['repository'],
        params: tagParams,
        response: { 200: TagBody },
      },
    },
    async request => {
      const project = await projectFor(house, request, request.params.id)
      const name = request.params.tag_name
      const commit = await git.commit(project.id, `refs/tags/${name}`)
      if (commit === undefined) throw notFound('Tag')
      return body(project, { name, commit })
    },
  )
}
