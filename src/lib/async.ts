/** Serialises work by key: calls with one key run one after the other, in order; different keys run side by side. */
export class KeyedMutex {
  readonly #tails = new Map<unknown, Promise<unknown>>()

  async run<T>(key: unknown, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve()
    const mine = before.then(work, work)
    const tail = mine.catch(() => {})
    this.#tails.set(key, tail)
    try {
      return await mine
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
    }
  }
}

/** A condition that many may wait for: `wake` releases everyone who waits at that moment. */
export class Gate {
  #waiters = new Set<() => void>()

  /** Resolves at the next `wake`, or when the signal aborts (it never rejects). */
  wait(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve()
    return new Promise(resolve => {
      const done = () => {
        this.#waiters.delete(done)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      this.#waiters.add(done)
      signal?.addEventListener('abort', done, { once: true })
    })
  }

  wake(): void {
    for (const one of [...this.#waiters]) one()
  }
}
