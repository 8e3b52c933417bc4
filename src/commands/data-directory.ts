import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Failure, type Random, uuid } from '../lib/index.ts'

/**
 * What a data directory holds:
 *
 *     DATA/slipway.db        state (SQLite)
 *     DATA/git/              bare repositories, by project id
 *     DATA/blobs/            image layers
 *     DATA/artifacts/        jobs' artifacts
 *     DATA/logs/             job traces, app logs
 *     DATA/keys/             instance id, token signing key, certificate authority (0600)
 *     DATA/run/              Unix sockets for the jobs' gateways
 *     DATA/root-password     the generated password of root, until it is changed (0600)
 *     DATA/lock.db           held while a process serves from here
 */
export interface DataDirectory {
  readonly root: string
  /** A path below the root. */
  at(...names: string[]): string
  /** Reads a small secret file, or makes it with mode 0600 on first use. */
  secretFile(name: string, make: () => string): string
  /** Gives the directory free for another process. */
  unlock(): void
}

/** Opens (and makes) the directory and takes its lock. Throws `Failure('conflict')` when another process holds it, `Failure('unavailable')` when it can't be written. */
export function openDataDirectory(directory: string): DataDirectory {
  const root = path.resolve(directory)
  const at = (...names: string[]) => path.join(root, ...names)
  try {
    for (const name of ['git', 'blobs', 'logs', 'keys', 'run', 'cache'])
      mkdirSync(at(name), { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new Failure(
      'unavailable',
      `can't write the data directory ${root}: ${(error as Error).message}`,
      {
        hint: 'choose another with --data DIR',
      },
    )
  }
  const lock = takeLock(at('lock.db'), root)
  return {
    root,
    at,
    secretFile(name, make) {
      const file = at(name)
      if (!existsSync(file)) writeSecret(file, make())
      return readFileSync(file, 'utf8').trim()
    },
    unlock: () => lock.close(),
  }
}

/** Written whole or not at all. */
export function writeSecret(file: string, content: string): void {
  writeFileSync(`${file}.new`, `${content}\n`, { mode: 0o600, flush: true })
  chmodSync(`${file}.new`, 0o600)
  renameSync(`${file}.new`, file)
}

/** An exclusive SQLite transaction: the kernel frees it however the process ends. */
function takeLock(file: string, root: string): DatabaseSync {
  const database = new DatabaseSync(file)
  try {
    database.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE')
  } catch {
    database.close()
    throw new Failure('conflict', `another Slipway serves from ${root}`, {
      hint: 'stop it first, or give this one another folder with --data DIR',
    })
  }
  return database
}

/** Tells this instance's containers from those of others on the same engine. */
export function instanceId(data: DataDirectory, random: Random): string {
  return data.secretFile('keys/instance-id', () => uuid(random).slice(0, 8))
}
