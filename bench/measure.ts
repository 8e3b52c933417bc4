/** Small statistics, and looking at a process from outside. */
import { readdirSync, readFileSync } from 'node:fs'

export interface Summary {
  count: number
  p50: number
  p95: number
  p99: number
  max: number
}

/** Nearest-rank percentiles. */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) =>
    sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)] ?? Number.NaN
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) }
}

/** Ids of the processes that were started with this argument. */
function processesWith(argument: string): string[] {
  return readdirSync('/proc').filter(id => {
    if (!/^\d+$/.test(id)) return false
    try {
      return readFileSync(`/proc/${id}/cmdline`, 'utf8').split('\0').includes(argument)
    } catch {
      return false // it ended meanwhile
    }
  })
}

/** Resident memory in MB of all processes that were started with this argument. */
export function residentMb(argument: string): number {
  const kilobytes = processesWith(argument).map(id =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1] ?? 0),
  )
  return kilobytes.reduce((sum, one) => sum + one, 0) / 1024
}

/** Now on the clock that containers see too: /proc/uptime, in ms, exact to 10 ms. */
export function uptimeMs(): number {
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000
}
