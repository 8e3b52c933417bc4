import type { Health } from '../api/index.ts'
import type { Engine } from '../engine/index.ts'
import { type Clock, messageOf } from '../lib/index.ts'

const freshForMs = 5000
const askTimeoutMs = 2000

/** How the house is. The engine is asked at most every few seconds; without it Slipway serves, but runs neither jobs nor apps. */
export function createHealth({
  engine,
  clock,
}: {
  engine: Engine
  clock: Clock
}): () => Promise<Health> {
  let last: { at: number; check: Promise<Health['checks'][string]> } | undefined
  return async () => {
    if (last === undefined || clock.now() - last.at > freshForMs) {
      const check = engine.info(AbortSignal.timeout(askTimeoutMs)).then(
        info => ({
          ok: true,
          name: info.name,
          version: info.version,
          containersRunning: info.containersRunning,
        }),
        error => ({
          ok: false,
          message: `the container engine doesn't answer: ${messageOf(error)}`,
        }),
      )
      last = { at: clock.now(), check }
    }
    const check = await last.check
    return { ok: check.ok, checks: { server: { ok: true }, engine: check } }
  }
}
