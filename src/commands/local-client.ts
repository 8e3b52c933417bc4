import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { Failure, Secret } from '../lib/index.ts'

/** How to speak to the Slipway that serves from a data directory on this machine, with the rights of root. */
export interface LocalServer {
  /** `http://127.0.0.1:10080` */
  origin: string
  token: Secret
}

/** Throws `Failure('unavailable')` when none serves from there. */
export async function findLocalServer(directory: string): Promise<LocalServer> {
  const root = path.resolve(directory)
  const [origin, token] = await Promise.all([
    readFile(path.join(root, 'run/address'), 'utf8').catch(() => undefined),
    readFile(path.join(root, 'keys/admin-token'), 'utf8').catch(() => undefined),
  ])
  if (origin === undefined || token === undefined)
    throw new Failure('unavailable', `no Slipway serves from ${root}`, {
      hint: `start it: slipway serve --data ${directory}`,
    })
  return { origin: origin.trim(), token: new Secret(token.trim()) }
}
