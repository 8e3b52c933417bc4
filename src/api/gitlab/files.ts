/** `/projects/:id/repository/tree` and `…/files`. */
import { Type } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import type { Project } from '../../accounts/index.ts'
import { sha256 } from '../../lib/index.ts'
import type { Request, Server } from '../http/server.ts'
import { type House, projectFor } from './context.ts'
import { notFound } from './errors.ts'
import { pageQuery, paginate } from './page.ts'
import { projectParam } from './types.ts'

const TreeItem = Type.Object({
  id: Type.String(),
  name: Type.String(),
  type: Type.String(),
  path: Type.String(),
  mode: Type.String(),
})

const FileBody = Type.Object({
  file_name: Type.String(),
  file_path: Type.String(),
  size: Type.Integer(),
  encoding: Type.Literal('base64'),
  content: Type.String(),
  content_sha256: Type.String(),
  ref: Type.String(),
  blob_id: Type.String(),
  commit_id: Type.String(),
  last_commit_id: Type.String(),
})

const fileParams = Type.Object({
  ...projectParam.properties,
  file_path: Type.String({ description: 'URL-encoded: `src%2Fapp.ts`.' }),
})
const refQuery = Type.Object({ ref: Type.Optional(Type.String({ default: 'HEAD' })) })

export function fileRoutes(server: Server, house: House): void {
  addTree(server, house)
  server.get(
    '/projects/:id/repository/files/:file_path',
    {
      config: { anonymous: true, scopes: ['read_repository'] },
      schema: {
        summary: 'A file with its content',
        tags: ['repository'],
        params: fileParams,
        querystring: refQuery,
        response: { 200: FileBody },
      },
    },
    async request => {
      const project = await projectFor(house, request, request.params.id)
      const { file_path: path } = request.params
      const found = await readFile(house, project, request.query.ref, path)
      const [last] = await house.git.log(project.id, found.sha, { limit: 1, path })
      const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
      const siblings = (await house.git.tree(project.id, found.sha, folder)) ?? []
      return {
        file_name: path.slice(path.lastIndexOf('/') + 1),
        file_path: path,
        size: found.bytes.length,
        encoding: 'base64' as const,
        content: Buffer.from(found.bytes).toString('base64'),
        content_sha256: sha256(found.bytes),
        ref: found.ref,
        blob_id: siblings.find(one => one.path === path)?.sha ?? '',
        commit_id: found.sha,
        last_commit_id: last?.sha ?? found.sha,
      }
    },
  )
  server.get(
    '/projects/:id/repository/files/:file_path/raw',
    {
      config: { anonymous: true, scopes: ['read_repository'] },
      schema: {
        summary: "A file's bytes",
        tags: ['repository'],
        produces: ['text/plain'],
        params: fileParams,
        querystring: refQuery,
      },
    },
    (request, reply) =>
      sendRaw(
        house,
        request,
        reply,
        request.params.id,
        request.query.ref,
        request.params.file_path,
      ),
  )
}

async function sendRaw(
  house: House,
  request: Request,
  reply: FastifyReply,
  id: string,
  ref: string | undefined,
  path: string,
) {
  const project = await projectFor(house, request, id)
  const { bytes, sha } = await readFile(house, project, ref, path)
  // whatever it holds, a browser shows it as text and runs nothing
  reply.header('content-security-policy', "default-src 'none'; sandbox")
  reply.header('x-gitlab-commit-id', sha)
  return reply.type('text/plain; charset=utf-8').send(Buffer.from(bytes))
}

async function readFile(house: House, project: Project, wanted: string | undefined, path: string) {
  const ref = wanted === undefined || wanted === 'HEAD' ? project.defaultBranch : wanted
  const sha = await house.git.resolve(project.id, ref)
  if (sha === undefined) throw notFound('Commit')
  const bytes = await house.git.readFile(project.id, sha, path)
  if (bytes === undefined) throw notFound('File')
  return { bytes, sha, ref }
}

function addTree(server: Server, house: House): void {
  server.get(
    '/projects/:id/repository/tree',
    {
      config: { anonymous: true, scopes: ['read_repository'] },
      schema: {
        summary: 'Files and folders',
        tags: ['repository'],
        params: projectParam,
        querystring: Type.Object({
          ...pageQuery,
          path: Type.Optional(Type.String({ default: '' })),
          ref: Type.Optional(Type.String()),
          recursive: Type.Optional(Type.Boolean({ default: false })),
        }),
        response: { 200: Type.Array(TreeItem) },
      },
    },
    async (request, reply) => {
      const project = await projectFor(house, request, request.params.id)
      const { path = '', recursive } = request.query
      const ref = request.query.ref ?? project.defaultBranch
      const sha = await house.git.resolve(project.id, ref)
      const entries = sha && (await house.git.tree(project.id, sha, path, recursive))
      if (!entries) throw notFound('Tree')
      return paginate(request, reply, house.urls.external, entries).map(one => ({
        id: one.sha,
        name: one.name,
        type: one.type,
        path: one.path,
        mode: one.mode,
      }))
    },
  )
}
