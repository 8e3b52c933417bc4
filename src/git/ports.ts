import type { RefUpdate } from './index.ts'

/** A push that was handed to git, written down before and struck out after `onPush`: what is still there at a start was interrupted. */
export interface PushIntent {
  id: string
  projectId: number
  userId: number
  /** What the pusher asked for; which of it came about, the refs tell. */
  updates: RefUpdate[]
  options: string[]
  /** The project was made by this push. */
  created: boolean
  startedAt: number
}

export interface GitStore {
  addIntent(intent: PushIntent): Promise<void>
  /** What isn't there is done. */
  removeIntent(id: string): Promise<void>
  /** Oldest first. */
  intents(): Promise<PushIntent[]>
}
