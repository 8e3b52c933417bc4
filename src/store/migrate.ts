import { type Kysely, sql } from 'kysely'

/** Forward only. `name` never changes once it has been released; `up` is plain SQL, one statement an entry. */
export interface Migration {
  name: string
  up: string[]
}

/** Runs what has not run yet, each in a transaction of its own, in order. */
export async function migrate(
  db: Kysely<unknown>,
  migrations: readonly Migration[],
): Promise<void> {
  await sql`create table if not exists migrations (name text primary key, applied_at integer not null)`.execute(
    db,
  )
  const done = await sql<{ name: string }>`select name from migrations`.execute(db)
  const applied = new Set(done.rows.map(row => row.name))
  for (const migration of migrations) {
    if (applied.has(migration.name)) continue
    await db.transaction().execute(async transaction => {
      for (const statement of migration.up) await sql.raw(statement).execute(transaction)
      await sql`insert into migrations (name, applied_at) values (${migration.name}, unixepoch() * 1000)`.execute(
        transaction,
      )
    })
  }
}
