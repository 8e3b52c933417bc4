import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Clock, Failure, type Random } from '../lib/index.ts'
import type { PasswordHashing, StoredUser } from './ports.ts'

const remembersMs = 5 * 60_000
const maxRemembered = 1000
const maxSideBySide = 2
const maxQueued = 200

/**
 * Checks passwords. Git and Docker send theirs with every request, so a right one is remembered for a few minutes, as a keyed hash over
 * password and stored hash: a changed password is forgotten at once. A user who doesn't exist costs the same as a wrong password.
 */
export interface Passwords {
  hash(password: string): Promise<string>
  /** Throws `Failure('unavailable')` when too many checks wait. */
  matches(user: StoredUser | undefined, password: string): Promise<boolean>
}

export function createPasswords(options: {
  hashing: PasswordHashing
  clock: Clock
  random: Random
}): Passwords {
  const { hashing, clock, random } = options
  const key = random.bytes(32)
  const remembered = new Map<number, { mac: Buffer; until: number }>()
  const limit = limiter()
  let decoy: Promise<string> | undefined

  function macOf(user: StoredUser, password: string): Buffer {
    return createHmac('sha256', key).update(`${user.passwordHash}\0${password}`).digest()
  }

  function remember(user: StoredUser, mac: Buffer): void {
    if (remembered.size >= maxRemembered) remembered.clear()
    remembered.set(user.id, { mac, until: clock.now() + remembersMs })
  }

  return {
    hash: password => hashing.hash(password),
    async matches(user, password) {
      if (user === undefined) {
        decoy ??= hashing.hash(Buffer.from(random.bytes(32)).toString('hex'))
        const hash = await decoy
        await limit(() => hashing.verify(hash, password))
        return false
      }
      const mac = macOf(user, password)
      const known = remembered.get(user.id)
      if (known && known.until > clock.now() && timingSafeEqual(known.mac, mac)) return true
      const right = await limit(() => hashing.verify(user.passwordHash, password))
      if (right) remember(user, mac)
      return right
    },
  }
}

/** A few hashes at a time, so that a flood of guesses leaves the thread pool to everyone else. */
function limiter() {
  let running = 0
  const queue: (() => void)[] = []
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= maxSideBySide) {
      if (queue.length >= maxQueued)
        throw new Failure('unavailable', 'Too many sign-ins at once.', {
          hint: 'Try again in a few seconds.',
        })
      await new Promise<void>(resolve => queue.push(resolve))
    } else running++
    try {
      return await work()
    } finally {
      const next = queue.shift()
      if (next) next()
      else running--
    }
  }
}
