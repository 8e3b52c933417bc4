/**
 * SQL: implements the ports that the modules declare. It holds no rules. One port call is one transaction.
 */
import { Kysely } from 'kysely'
import { accountMigrations } from './account-tables.ts'
import { createAccountStore } from './accounts.ts'
import { appMigrations, createAppsStore } from './apps.ts'
import { createCiStore } from './ci.ts'
import { ciMigrations } from './ci-tables.ts'
import { createGitStore, gitMigrations } from './git.ts'
import { type Migration, migrate } from './migrate.ts'
import { createRegistryStore, registryMigrations } from './registry.ts'
import { sqliteDialect } from './sqlite.ts'

/** In the order in which they run. Each module's store file exports its own. */
const migrations: readonly Migration[] = [
  ...accountMigrations,
  ...registryMigrations,
  ...ciMigrations,
  ...appMigrations,
  ...gitMigrations,
]

/** Opens (and brings up to date) the database in `file`; `:memory:` for tests. */
export async function openStore(file: string) {
  // Each module's file sees its own tables only: `db as Kysely<CiTables>`.
  const db = new Kysely<unknown>({ dialect: sqliteDialect(file) })
  await migrate(db, migrations)
  return {
    accounts: createAccountStore(db),
    registry: createRegistryStore(db),
    ci: createCiStore(db),
    apps: createAppsStore(db),
    git: createGitStore(db),
    close: () => db.destroy(),
  }
}

export type Store = Awaited<ReturnType<typeof openStore>>
