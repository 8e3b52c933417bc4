/** `POST /user/runners`: makes a runner and tells its token, once. */
import { Type } from '@fastify/type-provider-typebox'
import type { Server } from '../http/server.ts'
import { type House, projectFor, userOf } from './context.ts'
import { badRequest, forbidden } from './errors.ts'
import { nullable } from './types.ts'

export function userRunnerRoutes(server: Server, house: House): void {
  server.post(
    '/user/runners',
    {
      schema: {
        summary: 'Make a runner; its token is told only here',
        tags: ['runners'],
        body: Type.Object({
          runner_type: Type.String({ description: '`instance_type` or `project_type`.' }),
          project_id: Type.Optional(Type.Integer()),
          description: Type.Optional(Type.String({ maxLength: 1024 })),
          paused: Type.Optional(Type.Boolean()),
          locked: Type.Optional(Type.Boolean()),
          run_untagged: Type.Optional(Type.Boolean()),
          access_level: Type.Optional(
            Type.String({ description: '`not_protected` or `ref_protected`.' }),
          ),
          tag_list: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
          maximum_timeout: Type.Optional(Type.Integer()),
          maintenance_note: Type.Optional(Type.String({ maxLength: 1024 })),
        }),
        response: {
          201: Type.Object({
            id: Type.Integer(),
            token: Type.String(),
            token_expires_at: nullable(Type.String()),
          }),
        },
      },
    },
    async (request, reply) => {
      const { body } = request
      const { id, token } = await house.pipelines.runners.create({
        description: body.description ?? '',
        tags: tagsOf(body.tag_list),
        runUntagged: body.run_untagged ?? true,
        paused: body.paused ?? false,
        protectedOnly: body.access_level === 'ref_protected',
        projectId: await owner(),
        maximumTimeoutSeconds: body.maximum_timeout,
      })
      return reply.code(201).send({ id, token, token_expires_at: null })

      /** The project that it is for; undefined: the instance. */
      async function owner(): Promise<number | undefined> {
        if (body.runner_type === 'instance_type') {
          userOf(request)
          const may = await house.accounts.may(request.actor, 'instance:admin', {
            kind: 'instance',
          })
          if (!may) throw forbidden()
          return undefined
        }
        if (body.runner_type !== 'project_type') {
          throw badRequest('runner_type must be instance_type or project_type')
        }
        if (body.project_id === undefined) throw badRequest('project_id is missing')
        const project = await projectFor(
          house,
          request,
          String(body.project_id),
          'project:maintain',
        )
        return project.id
      }
    },
  )
}

function tagsOf(list: string | string[] | undefined): string[] {
  const all =
    typeof list === 'string' ? list.split(',') : (list ?? []).flatMap(one => one.split(','))
  return [...new Set(all.map(tag => tag.trim()).filter(tag => tag !== ''))]
}
