/** Bytes of text in one line of an app's log; longer ones are split (https://devcenter.heroku.com/articles/logging#log-history-limits). */
export const maxLineBytes = 10_000

/** `2026-11-23T07:02:10.595123+00:00`; `at` in ms since the epoch, its fraction becomes microseconds. */
export function logStamp(at: number): string {
  const whole = Math.floor(at)
  const micros = Math.min(999, Math.floor((at - whole) * 1000))
  return new Date(whole).toISOString().replace('Z', `${String(micros).padStart(3, '0')}+00:00`)
}

/** `… app[web.1]: text` with its line end. */
export function logLine(at: number, source: 'app' | 'heroku', dyno: string, text: string): string {
  return `${logStamp(at)} ${source}[${dyno}]: ${text}\n`
}

/** A text for people as lines: split at line ends, and where they are too long. */
export function splitText(text: string): string[] {
  return text.split('\n').flatMap(line => splitLong(Buffer.from(line)))
}

function splitLong(line: Buffer): string[] {
  const parts: string[] = []
  let rest = line
  while (rest.length > maxLineBytes) {
    const end = characterBorder(rest, maxLineBytes)
    parts.push(rest.toString('utf8', 0, end))
    rest = rest.subarray(end)
  }
  parts.push(rest.toString('utf8'))
  return parts
}

/** The last place up to `at` where no UTF-8 character is cut; `at` itself in what isn't UTF-8. */
function characterBorder(bytes: Buffer, at: number): number {
  for (let end = at; end > at - 4; end--) if ((bytes[end]! & 0xc0) !== 0x80) return end
  return at
}

export interface OutputLine {
  /** ms since the epoch, with a fraction. */
  at: number
  text: string
}

/** Cuts a stream of output into lines. Bounded: a line that doesn't end comes out in parts. */
export class LineCutter {
  #rest: Buffer = Buffer.alloc(0)
  #restAt = 0

  push(bytes: Uint8Array, at: number): OutputLine[] {
    const lines: OutputLine[] = []
    let data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let from = at
    if (this.#rest.length > 0) {
      data = Buffer.concat([this.#rest, data])
      from = this.#restAt
    }
    let start = 0
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, start)) {
      lines.push(...this.#cut(data.subarray(start, end), from))
      start = end + 1
      from = at
    }
    let rest = data.subarray(start)
    while (rest.length > maxLineBytes) {
      const end = characterBorder(rest, maxLineBytes)
      lines.push({ at: from, text: rest.toString('utf8', 0, end) })
      rest = rest.subarray(end)
      from = at
    }
    this.#rest = Buffer.from(rest)
    this.#restAt = from
    return lines
  }

  /** What came after the last line end. */
  flush(): OutputLine[] {
    if (this.#rest.length === 0) return []
    const rest = this.#rest
    this.#rest = Buffer.alloc(0)
    return this.#cut(rest, this.#restAt)
  }

  #cut(line: Buffer, at: number): OutputLine[] {
    const bare = line.at(-1) === 13 ? line.subarray(0, -1) : line
    return splitLong(bare).map(text => ({ at, text }))
  }
}
