/** Bounds of the router. Times in milliseconds; the defaults are Heroku's where Heroku has one. */
export interface Limits {
  /** From the request's last byte to the answer's first (H12). */
  firstByteMs: number
  /** Longest silence of an answer (H15), of a client that sends or reads (H28), and of an upgraded connection. */
  idleMs: number
  /** To open a connection to a process (H19). */
  connectMs: number
  /** How long a request waits for an app that boots (H20). */
  bootMs: number
  /** Requests that may wait for one booting app (H11). */
  waiting: number
  /** Requests in flight on one process (H11). */
  inFlight: number
  /** How long an idle connection to a process is kept, unless the process says less. */
  keepAliveMs: number
  /** Characters of a path that a log line shows. */
  loggedPath: number
}

export const defaultLimits: Limits = {
  firstByteMs: 30_000,
  idleMs: 55_000,
  connectMs: 5_000,
  bootMs: 75_000,
  waiting: 200,
  inFlight: 2_000,
  keepAliveMs: 4_000,
  loggedPath: 2_000,
}
