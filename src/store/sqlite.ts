import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'

const cachedStatements = 500

/** kysely over `node:sqlite`: one connection, so transactions take turns; WAL with a sync at each commit, so what was answered survives a power cut. */
export function sqliteDialect(file: string): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createIntrospector: db => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createDriver: () => driver(file),
  }
}

function driver(file: string): Driver {
  const database = new DatabaseSync(file)
  database.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000',
  )
  const connection = connect(database)
  let tail: Promise<void> = Promise.resolve()
  let release: (() => void) | undefined
  return {
    async init() {},
    async acquireConnection() {
      const before = tail
      let free = () => {}
      tail = new Promise(resolve => {
        free = resolve
      })
      await before
      release = free
      return connection
    },
    async beginTransaction(one) {
      await one.executeQuery(CompiledQuery.raw('begin immediate'))
    },
    async commitTransaction(one) {
      await one.executeQuery(CompiledQuery.raw('commit'))
    },
    async rollbackTransaction(one) {
      await one.executeQuery(CompiledQuery.raw('rollback'))
    },
    async releaseConnection() {
      release?.()
    },
    async destroy() {
      database.close()
    },
  }
}

function connect(database: DatabaseSync): DatabaseConnection {
  const statements = new Map<string, StatementSync>()
  const prepare = (sql: string) => {
    let statement = statements.get(sql)
    if (statement === undefined) {
      if (statements.size >= cachedStatements) statements.clear()
      statement = database.prepare(sql)
      statements.set(sql, statement)
    }
    return statement
  }
  return {
    async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
      const statement = prepare(query.sql)
      const parameters = query.parameters.map(toSql)
      if (statement.columns().length > 0) return { rows: statement.all(...parameters) as R[] }
      const result = statement.run(...parameters)
      return {
        rows: [],
        numAffectedRows: BigInt(result.changes),
        insertId: BigInt(result.lastInsertRowid),
      }
    },
    async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
      for (const row of prepare(query.sql).iterate(...query.parameters.map(toSql)))
        yield { rows: [row as R] }
    },
  }
}

function toSql(value: unknown): SQLInputValue {
  if (typeof value === 'boolean') return value ? 1 : 0
  if (value === undefined) return null
  return value as SQLInputValue
}
