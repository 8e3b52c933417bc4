/** `/projects/:id/variables`. The rules for keys and masking are the `ci` module's. */
import { type Static, Type } from '@fastify/type-provider-typebox'
import type { SettingVariable } from '../../ci/index.ts'
import { Failure } from '../../lib/index.ts'
import type { Server } from '../http/server.ts'
import { type House, projectFor } from './context.ts'
import { notFound } from './errors.ts'
import { pageQuery, paginate } from './page.ts'
import { nullable, projectParam } from './types.ts'

const kind = Type.Union([Type.Literal('env_var'), Type.Literal('file')])

const VariableBody = Type.Object({
  variable_type: kind,
  key: Type.String(),
  value: nullable(Type.String({ description: 'null when hidden.' })),
  hidden: Type.Boolean(),
  protected: Type.Boolean(),
  masked: Type.Boolean(),
  raw: Type.Boolean(),
  environment_scope: Type.String(),
  description: nullable(Type.String()),
})

const changeable = {
  value: Type.Optional(Type.String()),
  variable_type: Type.Optional(kind),
  protected: Type.Optional(Type.Boolean()),
  masked: Type.Optional(Type.Boolean()),
  raw: Type.Optional(Type.Boolean()),
  environment_scope: Type.Optional(Type.String()),
  description: Type.Optional(nullable(Type.String())),
}
const filter = Type.Optional(Type.Object({ environment_scope: Type.Optional(Type.String()) }))
const keyParams = Type.Object({ ...projectParam.properties, key: Type.String() })
const filterQuery = Type.Object({ filter })

function variableBody(variable: SettingVariable): Static<typeof VariableBody> {
  return {
    variable_type: variable.type,
    key: variable.key,
    value: variable.hidden ? null : variable.value,
    hidden: variable.hidden,
    protected: variable.protected,
    masked: variable.masked,
    raw: variable.raw,
    environment_scope: variable.environmentScope,
    description: variable.description ?? null,
  }
}

/** By key, and by scope where several share the key. */
async function find(
  house: House,
  projectId: number,
  key: string,
  scope: string | undefined,
): Promise<SettingVariable> {
  const all = (await house.pipelines.variables(projectId)).filter(one => one.key === key)
  const found = scope === undefined ? all : all.filter(one => one.environmentScope === scope)
  if (found.length > 1)
    throw new Failure(
      'conflict',
      "409 There are multiple variables with provided parameters. Please use 'filter[environment_scope]'",
    )
  if (found[0] === undefined) throw notFound('Variable')
  return found[0]
}

export function variableRoutes(server: Server, house: House): void {
  addReads(server, house)
  addCreate(server, house)
  addChange(server, house)
}

function addReads(server: Server, house: House): void {
  server.get(
    '/projects/:id/variables',
    {
      schema: {
        summary: 'List CI/CD variables',
        tags: ['variables'],
        params: projectParam,
        querystring: Type.Object(pageQuery),
        response: { 200: Type.Array(VariableBody) },
      },
    },
    async (request, reply) => {
      const project = await projectFor(house, request, request.params.id, 'project:maintain')
      const all = await house.pipelines.variables(project.id)
      return paginate(request, reply, house.urls.external, all).map(variableBody)
    },
  )
  server.get(
    '/projects/:id/variables/:key',
    {
      schema: {
        summary: 'One CI/CD variable',
        tags: ['variables'],
        params: keyParams,
        querystring: filterQuery,
        response: { 200: VariableBody },
      },
    },
    async request => {
      const project = await projectFor(house, request, request.params.id, 'project:maintain')
      const scope = request.query.filter?.environment_scope
      return variableBody(await find(house, project.id, request.params.key, scope))
    },
  )
}

function addCreate(server: Server, house: House): void {
  server.post(
    '/projects/:id/variables',
    {
      schema: {
        summary: 'Add a CI/CD variable',
        tags: ['variables'],
        params: projectParam,
        body: Type.Object({
          ...changeable,
          key: Type.String(),
          value: Type.String(),
          masked_and_hidden: Type.Optional(Type.Boolean()),
        }),
        response: { 201: VariableBody },
      },
    },
    async (request, reply) => {
      const project = await projectFor(house, request, request.params.id, 'project:maintain')
      const { body } = request
      const environmentScope = body.environment_scope ?? '*'
      const isTaken = (await house.pipelines.variables(project.id)).some(
        one => one.key === body.key && one.environmentScope === environmentScope,
      )
      if (isTaken)
        throw new Failure('conflict', `${body.key} is there already.`, {
          details: { key: [`(${body.key}) has already been taken`] },
        })
      const made = await house.pipelines.setVariable(project.id, {
        key: body.key,
        value: body.value,
        type: body.variable_type ?? 'env_var',
        protected: body.protected ?? false,
        masked: body.masked === true || body.masked_and_hidden === true,
        hidden: body.masked_and_hidden ?? false,
        raw: body.raw ?? false,
        environmentScope,
        description: body.description ?? undefined,
      })
      return reply.code(201).send(variableBody(made))
    },
  )
}

function addChange(server: Server, house: House): void {
  server.put(
    '/projects/:id/variables/:key',
    {
      schema: {
        summary: 'Change a CI/CD variable',
        tags: ['variables'],
        params: keyParams,
        querystring: filterQuery,
        body: Type.Object({ ...changeable, filter }),
        response: { 200: VariableBody },
      },
    },
    async request => {
      const project = await projectFor(house, request, request.params.id, 'project:maintain')
      const { body } = request
      const { key } = request.params
      const scope = body.filter?.environment_scope ?? request.query.filter?.environment_scope
      const old = await find(house, project.id, key, scope)
      if (old.hidden && body.masked === false)
        throw new Failure('invalid', 'A hidden variable stays masked.', {
          details: { masked: ["can't be false for a hidden variable"] },
        })
      const changed: SettingVariable = {
        ...old,
        value: body.value ?? old.value,
        type: body.variable_type ?? old.type,
        protected: body.protected ?? old.protected,
        masked: body.masked ?? old.masked,
        raw: body.raw ?? old.raw,
        environmentScope: body.environment_scope ?? old.environmentScope,
        description:
          body.description === undefined ? old.description : (body.description ?? undefined),
      }
      const made = await house.pipelines.setVariable(project.id, changed)
      if (changed.environmentScope !== old.environmentScope)
        await house.pipelines.deleteVariable(project.id, key, old.environmentScope)
      return variableBody(made)
    },
  )
  server.delete(
    '/projects/:id/variables/:key',
    {
      schema: {
        summary: 'Delete a CI/CD variable',
        tags: ['variables'],
        params: keyParams,
        querystring: filterQuery,
      },
    },
    async (request, reply) => {
      const project = await projectFor(house, request, request.params.id, 'project:maintain')
      const scope = request.query.filter?.environment_scope
      const old = await find(house, project.id, request.params.key, scope)
      await house.pipelines.deleteVariable(project.id, old.key, old.environmentScope)
      return reply.code(204).send()
    },
  )
}
