import { type Clock, Failure, type Random, uuid } from '../lib/index.ts'
import { publicUser, tokenRow } from './authenticate.ts'
import type { Accounts, Scope } from './index.ts'
import { check, emailProblem, nameProblem, passwordProblem, rootPathProblem } from './names.ts'
import type { Passwords } from './passwords.ts'
import type { AccountStore, NewUser, StoredUser } from './ports.ts'

/** The first administrator's preset token opens everything: both APIs, git and the registry. */
const rootScopes: Scope[] = ['api', 'global']

type Users = Pick<
  Accounts,
  'bootstrap' | 'createUser' | 'setPassword' | 'user' | 'userByUuid' | 'userByEmail' | 'users'
>

export function createUsers(parts: {
  store: AccountStore
  clock: Clock
  random: Random
  passwords: Passwords
}): Users {
  const { store, clock, random, passwords } = parts

  async function newUser(user: Parameters<Accounts['createUser']>[0]): Promise<NewUser> {
    check('user', {
      username: rootPathProblem(user.username),
      name: nameProblem(user.name),
      email: emailProblem(user.email),
      password: passwordProblem(user.password, user.username),
    })
    return {
      uuid: uuid(random),
      username: user.username,
      name: user.name,
      email: user.email,
      admin: user.admin ?? false,
      state: 'active',
      createdAt: clock.now(),
      passwordHash: await passwords.hash(user.password),
    }
  }

  return {
    async bootstrap(root) {
      if ((await store.users()).length > 0) return false
      const user = await newUser({
        username: 'root',
        name: 'Administrator',
        email: root.email,
        password: root.password,
        admin: true,
      })
      const token =
        root.token === undefined ? undefined : tokenRow(clock, root.token, 'preset', rootScopes)
      return (await store.insertFirstUser(user, token)) !== undefined
    },
    async createUser(user) {
      const row = await newUser(user)
      const made = await store.insertUser(row)
      if (made) return made
      const emailTaken = (await store.userByEmail(user.email)) !== undefined
      const field = emailTaken ? 'email' : 'username'
      throw new Failure('conflict', `This ${field} is taken.`, {
        details: { [field]: ['has already been taken'] },
      })
    },
    async setPassword(userId, password) {
      const user = await store.userById(userId)
      if (user === undefined) throw new Failure('not_found', 'There is no such user.')
      check('password', { password: passwordProblem(password, user.username) })
      await store.setPasswordHash(userId, await passwords.hash(password))
    },
    user: async key =>
      strip(typeof key === 'number' ? await store.userById(key) : await store.userByName(key)),
    userByUuid: async key => strip(await store.userByUuid(key)),
    userByEmail: async email => strip(await store.userByEmail(email)),
    users: () => store.users(),
  }
}

function strip(user: StoredUser | undefined) {
  return user && publicUser(user)
}
