import type { Clock, Random } from '../lib/index.ts'
import { createAttempts } from './attempts.ts'
import { createAuthentication } from './authenticate.ts'
import type { Accounts } from './index.ts'
import { createPasswords } from './passwords.ts'
import type { AccountStore, PasswordHashing } from './ports.ts'
import { createProjects } from './projects.ts'
import { createUsers } from './users.ts'

export function createAccounts(options: {
  store: AccountStore
  clock: Clock
  random: Random
  hashing: PasswordHashing
}): Accounts {
  const { store, clock, random } = options
  const passwords = createPasswords(options)
  return {
    ...createAuthentication({
      ...{ store, clock, random, passwords },
      attempts: createAttempts(clock),
    }),
    ...createUsers({ store, clock, random, passwords }),
    ...createProjects({ store, clock }),
  }
}
