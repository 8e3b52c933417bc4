import type { Kysely, Selectable } from 'kysely'
import type { Runner, RunnerStore, SettingStore, SettingVariable } from '../ci/index.ts'
import { type CiTables, optional, type RunnerTable, type VariableTable } from './ci-tables.ts'

/** CI/CD variables of projects. */
export function createSettingStore(db: Kysely<CiTables>): SettingStore {
  return {
    async variables(projectId) {
      const rows = await db
        .selectFrom('ci_variables')
        .selectAll()
        .where('project_id', '=', projectId)
        .orderBy('key')
        .orderBy('environment_scope')
        .execute()
      return rows.map(variableOf)
    },
    async putVariable(projectId, variable) {
      const row = variableRow(projectId, variable)
      await db
        .insertInto('ci_variables')
        .values(row)
        .onConflict(conflict =>
          conflict.columns(['project_id', 'key', 'environment_scope']).doUpdateSet(row),
        )
        .execute()
    },
    async deleteVariables(projectId, key, environmentScope) {
      let query = db
        .deleteFrom('ci_variables')
        .where('project_id', '=', projectId)
        .where('key', '=', key)
      if (environmentScope !== undefined) {
        query = query.where('environment_scope', '=', environmentScope)
      }
      return Number((await query.executeTakeFirst()).numDeletedRows)
    },
  }
}

function variableOf(row: Selectable<VariableTable>): SettingVariable {
  return {
    key: row.key,
    value: row.value,
    type: row.type as SettingVariable['type'],
    protected: row.protected === 1,
    masked: row.masked === 1,
    hidden: row.hidden === 1,
    raw: row.raw === 1,
    environmentScope: row.environment_scope,
    description: optional(row.description),
  }
}

function variableRow(projectId: number, variable: SettingVariable): VariableTable {
  return {
    project_id: projectId,
    key: variable.key,
    environment_scope: variable.environmentScope,
    value: variable.value,
    type: variable.type,
    protected: Number(variable.protected),
    masked: Number(variable.masked),
    hidden: Number(variable.hidden),
    raw: Number(variable.raw),
    description: variable.description ?? null,
  }
}

/** Runners and their managers. */
export function createRunnerStore(db: Kysely<CiTables>): RunnerStore {
  const one = async (column: 'id' | 'token_hash', value: number | string) => {
    const row = await db
      .selectFrom('ci_runners')
      .selectAll()
      .where(column, '=', value as never)
      .executeTakeFirst()
    return row && runnerOf(row)
  }
  return {
    async insertRunner(runner) {
      const row = await db
        .insertInto('ci_runners')
        .values(runnerRow(runner) as never)
        .returning('id')
        .executeTakeFirstOrThrow()
      return { ...runner, id: row.id }
    },
    async updateRunner(runner) {
      await db
        .updateTable('ci_runners')
        .set(runnerRow(runner))
        .where('id', '=', runner.id)
        .execute()
    },
    async deleteRunner(id) {
      await db.deleteFrom('ci_runners').where('id', '=', id).execute()
    },
    runner: id => one('id', id),
    runnerByTokenHash: hash => one('token_hash', hash),
    async runners() {
      return (await db.selectFrom('ci_runners').selectAll().orderBy('id').execute()).map(runnerOf)
    },
    contact: manager =>
      db.transaction().execute(async tx => {
        const row = { info: JSON.stringify(manager.info), contacted_at: manager.contactedAt }
        await tx
          .updateTable('ci_runners')
          .set({ contacted_at: manager.contactedAt })
          .where('id', '=', manager.runnerId)
          .execute()
        await tx
          .insertInto('ci_runner_managers')
          .values({ runner_id: manager.runnerId, system_id: manager.systemId, ...row })
          .onConflict(conflict => conflict.columns(['runner_id', 'system_id']).doUpdateSet(row))
          .execute()
      }),
    async managers(runnerId) {
      const rows = await db
        .selectFrom('ci_runner_managers')
        .selectAll()
        .where('runner_id', '=', runnerId)
        .orderBy('system_id')
        .execute()
      return rows.map(row => ({
        runnerId,
        systemId: row.system_id,
        info: JSON.parse(row.info),
        contactedAt: row.contacted_at,
      }))
    },
    async deleteManager(runnerId, systemId) {
      const result = await db
        .deleteFrom('ci_runner_managers')
        .where('runner_id', '=', runnerId)
        .where('system_id', '=', systemId)
        .executeTakeFirst()
      return result.numDeletedRows > 0n
    },
  }
}

function runnerOf(row: Selectable<RunnerTable>): Runner {
  return {
    id: row.id,
    tokenHash: row.token_hash,
    description: row.description,
    tags: JSON.parse(row.tags),
    runUntagged: row.run_untagged === 1,
    protectedOnly: row.protected_only === 1,
    paused: row.paused === 1,
    projectId: optional(row.project_id),
    maximumTimeoutSeconds: optional(row.maximum_timeout_seconds),
    inProcess: row.in_process === 1,
    createdAt: row.created_at,
    contactedAt: optional(row.contacted_at),
  }
}

function runnerRow(runner: Omit<Runner, 'id'>): Omit<RunnerTable, 'id'> {
  return {
    token_hash: runner.tokenHash,
    description: runner.description,
    tags: JSON.stringify(runner.tags),
    run_untagged: Number(runner.runUntagged),
    protected_only: Number(runner.protectedOnly),
    paused: Number(runner.paused),
    project_id: runner.projectId ?? null,
    maximum_timeout_seconds: runner.maximumTimeoutSeconds ?? null,
    in_process: Number(runner.inProcess),
    created_at: runner.createdAt,
    contacted_at: runner.contactedAt ?? null,
  }
}
