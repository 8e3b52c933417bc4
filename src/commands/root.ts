import type { Accounts, User } from '../accounts/index.ts'
import { newToken, type Random } from '../lib/index.ts'
import type { Config } from './config.ts'
import { type DataDirectory, writeSecret } from './data-directory.ts'

/** Name of the file in the data directory that holds root's generated password. */
export const rootPasswordFile = 'root-password'

/**
 * Makes the user root on first start, and the token by which `slipway admin …` on this machine reaches the server.
 * A generated password is on disk before the user exists: a crash between the two loses nothing.
 */
export async function ensureRoot(
  accounts: Accounts,
  data: DataDirectory,
  config: Config,
  random: Random,
): Promise<User> {
  let root = await accounts.user('root')
  if (root === undefined) {
    const generated = newToken(random, '', 18)
    if (config.rootPassword === undefined) writeSecret(data.at(rootPasswordFile), generated)
    await accounts.bootstrap({
      password: config.rootPassword?.reveal() ?? generated,
      token: config.rootToken?.reveal(),
      email: 'root@localhost.localdomain',
    })
    root = await accounts.user('root')
  }
  if (root === undefined) throw new Error('root could not be made')
  const token = data.secretFile('keys/admin-token', () => newToken(random, 'glpat-'))
  const isKnown = (await accounts.authenticate({ kind: 'token', token })) !== undefined
  if (!isKnown)
    await accounts.createToken({
      userId: root.id,
      name: 'local administration',
      scopes: ['api', 'global'],
      preset: token,
    })
  return root
}
