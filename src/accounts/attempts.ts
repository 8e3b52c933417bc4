import { type Clock, Failure } from '../lib/index.ts'

const allowed = 10
const windowMs = 10 * 60_000
const maxKeys = 10_000

/** Counts wrong passwords by account and address: ten in ten minutes, then that address waits. Others aren't kept out by it. */
export interface Attempts {
  /** Throws `Failure('unavailable')` with `retryAfterSeconds` in its details. The same for accounts that don't exist. */
  check(login: string, from: string | undefined): void
  failed(login: string, from: string | undefined): void
}

export function createAttempts(clock: Clock): Attempts {
  const failures = new Map<string, number[]>()
  const keyOf = (login: string, from: string) => `${login.toLowerCase()}\0${from}`
  const recent = (key: string) =>
    (failures.get(key) ?? []).filter(at => at > clock.now() - windowMs)
  return {
    check(login, from) {
      if (from === undefined) return
      const times = recent(keyOf(login, from))
      if (times.length < allowed) return
      const retryAfterSeconds = Math.ceil((times[0]! + windowMs - clock.now()) / 1000)
      throw new Failure('unavailable', 'Too many wrong passwords for this account.', {
        hint: `Try again in ${Math.ceil(retryAfterSeconds / 60)} minutes, or use a token.`,
        details: { retryAfterSeconds },
      })
    },
    failed(login, from) {
      if (from === undefined) return
      const key = keyOf(login, from)
      const times = [...recent(key), clock.now()].slice(-allowed)
      failures.delete(key)
      if (failures.size >= maxKeys) failures.delete(failures.keys().next().value!)
      failures.set(key, times)
    },
  }
}
