/** Time as a parameter. Instants are milliseconds since the epoch, UTC. */
export interface Clock {
  now(): number
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const onAbort = () => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }, ms)
      signal?.addEventListener('abort', onAbort, { once: true })
    }),
}

/** A clock for tests that stands still until `advance`, which wakes the sleepers that are due, in order. */
export function manualClock(start = 1_750_000_000_000): Clock & { advance(ms: number): void } {
  let now = start
  let sleepers: { due: number; wake: () => void }[] = []
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const sleeper = { due: now + ms, wake: resolve }
        sleepers.push(sleeper)
        signal?.addEventListener('abort', () => {
          sleepers = sleepers.filter(one => one !== sleeper)
          reject(signal.reason)
        })
      }),
    advance(ms) {
      now += ms
      const due = sleepers.filter(one => one.due <= now).sort((a, b) => a.due - b.due)
      sleepers = sleepers.filter(one => one.due > now)
      for (const one of due) one.wake()
    },
  }
}
