/** Durations as people write them (GitLab reads them with ChronicDuration). */

const day = 24 * 3600

const unitNames: readonly (readonly [seconds: number, names: string])[] = [
  [1, 's sec secs second seconds'],
  [60, 'm min mins minute minutes'],
  [3600, 'h hr hrs hour hours'],
  [day, 'd dy day days'],
  [7 * day, 'w wk wks week weeks'],
  [30 * day, 'mo mos month months'],
  [31_557_600, 'y yr yrs year years'],
]

const units = new Map(
  unitNames.flatMap(([seconds, names]) => names.split(' ').map(name => [name, seconds] as const)),
)

/**
 * Seconds of a free-text duration: `1h 30m`, `2 weeks and 3 days`, `2h20min`, `1:30:00`, `90` (seconds). Undefined: it isn't one, or it is zero.
 * GitLab's ChronicDuration.
 */
export function parseDuration(text: string): number | undefined {
  if (text.length > 255) return undefined
  const seconds = clockSeconds(text.trim()) ?? wordSeconds(text)
  return seconds !== undefined && seconds > 0 ? seconds : undefined
}

const joinWords: ReadonlySet<string> = new Set(['and', 'with', 'plus'])

/** `h:m:s` and `m:s`. */
function clockSeconds(text: string): number | undefined {
  if (!/^\d+(?::\d+){1,2}(?:\.\d+)?$/.test(text)) return undefined
  return text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
}

function wordSeconds(text: string): number | undefined {
  const words = text.toLowerCase().match(/\d+(?:\.\d+)?|\.\d+|[a-z]+|[^\s,]/g) ?? []
  let total = 0
  let amount: number | undefined
  for (const word of words) {
    if (/^[\d.]/.test(word) && word !== '.') {
      if (amount !== undefined) return undefined
      amount = Number(word)
    } else if (!joinWords.has(word)) {
      const unit = units.get(word)
      if (unit === undefined) return undefined
      total += (amount ?? 1) * unit
      amount = undefined
    }
  }
  return words.length === 0 ? undefined : total + (amount ?? 0)
}

/** For `expire_in` and the like: undefined means `never`. Text that isn't a duration counts as absent. */
export function lifetimeMs(text: string | undefined, absentMs: number): number | undefined {
  if (text === undefined) return absentMs
  if (text.trim().toLowerCase() === 'never') return undefined
  const seconds = parseDuration(text)
  return seconds === undefined ? absentMs : seconds * 1000
}
