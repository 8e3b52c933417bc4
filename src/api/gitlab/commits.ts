/** `/projects/:id/repository/commits`. */
import { type Static, Type } from '@fastify/type-provider-typebox'
import type { Project } from '../../accounts/index.ts'
import type { Commit } from '../../git/index.ts'
import type { Server } from '../http/server.ts'
import { type House, projectFor } from './context.ts'
import { notFound } from './errors.ts'
import { pageOf, pageQuery, setPageHeaders } from './page.ts'
import { instant, iso, projectParam } from './types.ts'

export const CommitBody = Type.Object({
  id: Type.String(),
  short_id: Type.String(),
  created_at: instant,
  parent_ids: Type.Array(Type.String()),
  title: Type.String(),
  message: Type.String(),
  author_name: Type.String(),
  author_email: Type.String(),
  authored_date: instant,
  committer_name: Type.String(),
  committer_email: Type.String(),
  committed_date: instant,
  web_url: Type.String(),
})

export function commitBody(
  house: House,
  project: Project,
  commit: Commit,
): Static<typeof CommitBody> {
  return {
    id: commit.sha,
    short_id: commit.sha.slice(0, 8),
    created_at: iso(commit.committedAt),
    parent_ids: commit.parents,
    title: commit.title,
    message: commit.message,
    author_name: commit.authorName,
    author_email: commit.authorEmail,
    authored_date: iso(commit.authoredAt),
    committer_name: commit.committerName,
    committer_email: commit.committerEmail,
    committed_date: iso(commit.committedAt),
    web_url: `${house.urls.external}/${project.fullPath}/-/commit/${commit.sha}`,
  }
}

export function commitRoutes(server: Server, house: House): void {
  const { git } = house
  server.get(
    '/projects/:id/repository/commits',
    {
      config: { anonymous: true, scopes: ['read_repository'] },
      schema: {
        summary: 'List commits of a branch, tag or commit',
        tags: ['repository'],
        params: projectParam,
        querystring: Type.Object({
          ...pageQuery,
          ref_name: Type.Optional(Type.String()),
          path: Type.Optional(Type.String()),
        }),
        response: { 200: Type.Array(CommitBody) },
      },
    },
    async (request, reply) => {
      const project = await projectFor(house, request, request.params.id)
      const { ref_name: ref = project.defaultBranch, path } = request.query
      const { page, perPage } = pageOf(request.query)
      const isThere = (await git.resolve(project.id, ref)) !== undefined
      if (!isThere && request.query.ref_name !== undefined) throw notFound('Commit')
      const commits = isThere
        ? await git.log(project.id, ref, { limit: perPage + 1, skip: (page - 1) * perPage, path })
        : []
      const hasNext = commits.length > perPage
      setPageHeaders(request, reply, house.urls.external, { hasNext })
      return commits.slice(0, perPage).map(one => commitBody(house, project, one))
    },
  )
  server.get(
    '/projects/:id/repository/commits/:sha',
    {
      config: { anonymous: true, scopes: ['read_repository'] },
      schema: {
        summary: 'One commit',
        tags: ['repository'],
        params: Type.Object({ ...projectParam.properties, sha: Type.String() }),
        response: { 200: CommitBody },
      },
    },
    async request => {
      const project = await projectFor(house, request, request.params.id)
      const commit = await git.commit(project.id, request.params.sha)
      if (commit === undefined) throw notFound('Commit')
      return commitBody(house, project, commit)
    },
  )
}
