import type { Dyno } from './index.ts'

export type DynoState = Dyno['state']

export type DynoEvent =
  /** It listens, or it has stayed alive. */
  | 'ready'
  /** Its process ended, or it never listened. */
  | 'ended'
  /** Another attempt begins. */
  | 'retried'
  | 'stopped'

/** `(state, event) → state`. What isn't in the table leaves the state as it is. */
const table: Readonly<Record<DynoState, Partial<Record<DynoEvent, DynoState>>>> = {
  starting: { ready: 'up', ended: 'crashed', stopped: 'down' },
  up: { ended: 'crashed', stopped: 'down' },
  crashed: { retried: 'starting', stopped: 'down' },
  down: {},
}

export function nextState(state: DynoState, event: DynoEvent): DynoState {
  return table[state][event] ?? state
}

/** How long to wait before the attempt after `crashes` crashes in a row: 1 s, 2 s, 4 s … 5 min. */
export function backoffMs(crashes: number, firstMs: number, maxMs: number): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(Math.max(0, crashes - 1), 30))
}
