import { Failure } from '../lib/index.ts'

/** Lets so many through at once and so many wait; who comes later is turned away with `Failure('unavailable')`. */
export function createTurnstile(limits: { inside: number; waiting: number }) {
  const queue: (() => void)[] = []
  let inside = 0

  async function enter(): Promise<void> {
    if (inside < limits.inside) {
      inside++
      return
    }
    if (queue.length >= limits.waiting)
      throw new Failure('unavailable', 'Too many git requests at once.', {
        hint: 'Try again in a moment.',
      })
    // the one who leaves hands its place on
    await new Promise<void>(resolve => queue.push(resolve))
  }

  function leave(): void {
    const next = queue.shift()
    if (next === undefined) inside--
    else next()
  }

  return async <T>(work: () => Promise<T>): Promise<T> => {
    await enter()
    try {
      return await work()
    } finally {
      leave()
    }
  }
}
