/** Durations as people write them: `1h 30m`, `2 hrs 20 min`, `1 week and 3 days`, `90` (GitLab reads them with ChronicDuration). */

const unitSeconds: Readonly<Record<string, number>> = {
  s: 1,
  sec: 1,
  second: 1,
  m: 60,
  min: 60,
  minute: 60,
  h: 3600,
  hr: 3600,
  hour: 3600,
  d: 86_400,
  day: 86_400,
  w: 604_800,
  wk: 604_800,
  week: 604_800,
  mo: 2_592_000,
  mth: 2_592_000,
  mos: 2_592_000,
  month: 2_592_000,
  y: 31_557_600,
  yr: 31_557_600,
  year: 31_557_600,
}

/** Seconds; undefined when the text isn't a duration. A number without unit is seconds. */
export function parseDuration(text: string): number | undefined {
  if (text.length > 255) return undefined
  const rest = text.toLowerCase().replaceAll(',', ' ').trim()
  const clock = /^(\d+):(\d{1,2})(?::(\d{1,2}))?$/.exec(rest)
  if (clock) return clockSeconds(clock)
  const part = /\s*(?:and\s+)?(\d+(?:\.\d+)?)\s*([a-z]*)/y
  let total: number | undefined
  while (part.lastIndex < rest.length) {
    const match = part.exec(rest)
    if (!match) return undefined
    const seconds = secondsOf(match[2]!)
    if (seconds === undefined) return undefined
    total = (total ?? 0) + Number(match[1]) * seconds
  }
  return total === undefined ? undefined : Math.round(total)
}

function clockSeconds(match: RegExpExecArray): number {
  const [, first, second, third] = match
  if (third === undefined) return Number(first) * 60 + Number(second)
  return Number(first) * 3600 + Number(second) * 60 + Number(third)
}

function secondsOf(unit: string): number | undefined {
  if (unit === '') return 1
  return unitSeconds[unit] ?? unitSeconds[unit.replace(/s$/, '')]
}

/** For `expire_in` and the like: undefined means `never`. Text that isn't a duration counts as absent. */
export function lifetimeMs(text: string | undefined, absentMs: number): number | undefined {
  if (text === undefined) return absentMs
  if (text.trim().toLowerCase() === 'never') return undefined
  const seconds = parseDuration(text)
  return seconds === undefined ? absentMs : seconds * 1000
}
