import type { Kysely } from 'kysely'
import type { GitStore } from '../git/index.ts'
import type { Migration } from './migrate.ts'

interface GitTables {
  git_push_intents: {
    id: string
    project_id: number
    user_id: number
    updates: string
    options: string
    created: number
    started_at: number
  }
}

export const gitMigrations: readonly Migration[] = [
  {
    name: 'git-1',
    up: [
      `create table git_push_intents (
        id text primary key, project_id integer not null, user_id integer not null, updates text not null, options text not null,
        created integer not null, started_at integer not null
      ) strict`,
    ],
  },
]

export function createGitStore(anyDb: Kysely<unknown>): GitStore {
  const db = anyDb as Kysely<GitTables>
  return {
    async addIntent(intent) {
      const row = {
        id: intent.id,
        project_id: intent.projectId,
        user_id: intent.userId,
        updates: JSON.stringify(intent.updates),
        options: JSON.stringify(intent.options),
        created: intent.created ? 1 : 0,
        started_at: intent.startedAt,
      }
      await db.insertInto('git_push_intents').values(row).execute()
    },
    async removeIntent(id) {
      await db.deleteFrom('git_push_intents').where('id', '=', id).execute()
    },
    async intents() {
      const rows = await db
        .selectFrom('git_push_intents')
        .selectAll()
        .orderBy('started_at')
        .execute()
      return rows.map(row => ({
        id: row.id,
        projectId: row.project_id,
        userId: row.user_id,
        updates: JSON.parse(row.updates),
        options: JSON.parse(row.options),
        created: row.created === 1,
        startedAt: row.started_at,
      }))
    },
  }
}
