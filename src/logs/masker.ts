import { automatonOf } from './automaton.ts'
import type { Masker } from './index.ts'

const marker = Buffer.from('[MASKED]')
/** Shorter ones would blot out half of a log and protect nothing. */
const shortestSecretBytes = 4

/**
 * Masks secrets, values of URL parameters that carry credentials, and what follows the prefix of a token. Where secrets overlap, one `[MASKED]` stands for all that they
 * cover. Secrets are taken without the white space around them; ones shorter than four bytes are ignored. Output doesn't depend on how the input was cut; at most
 * the longest secret's length is held back. `prefixes` of tokens come on top of the well-known ones.
 */
export function createMasker(secrets: readonly string[], prefixes: readonly string[] = []): Masker {
  const stages = [
    phraseMasker(phrasesOf(secrets)),
    tailMasker(urlPrefixes, isUrlValueByte, true),
    tailMasker([...tokenPrefixes, ...prefixes.filter(one => one !== '')], isTokenByte, false),
  ]
  return {
    push: bytes => stages.reduce((left, stage) => stage.push(left), bytes),
    flush: () =>
      stages.reduce<Uint8Array>(
        (left, stage) => Buffer.concat([stage.push(left), stage.flush()]),
        new Uint8Array(),
      ),
  }
}

/** Also as a terminal prints them, with carriage returns. */
function phrasesOf(secrets: readonly string[]): Uint8Array[] {
  const phrases = new Set<string>()
  for (const secret of secrets) {
    const phrase = secret.trim()
    if (Buffer.byteLength(phrase) < shortestSecretBytes) continue
    phrases.add(phrase)
    phrases.add(phrase.replaceAll(/\r?\n/g, '\n'))
    phrases.add(phrase.replaceAll(/\r?\n/g, '\r\n'))
  }
  return [...phrases].map(phrase => Buffer.from(phrase))
}

/** Bytes to be masked; `told` once their marker was written. Positions count from the first byte that is held. */
interface Region {
  start: number
  end: number
  told: boolean
}

function phraseMasker(phrases: readonly Uint8Array[]): Masker {
  const automaton = automatonOf(phrases)
  let state = 0
  let held: Uint8Array = new Uint8Array()
  /** Apart from one another, in order. */
  let regions: Region[] = []

  function add(start: number, end: number): void {
    const region = { start, end, told: false }
    for (let last = regions.at(-1); last !== undefined && last.end > region.start; ) {
      region.start = Math.min(region.start, last.start)
      region.told ||= last.told
      regions.pop()
      last = regions.at(-1)
    }
    regions.push(region)
  }

  /** Writes what no future byte can change: everything before `safe`. */
  function settle(work: Uint8Array, safe: number): Uint8Array {
    const out: Uint8Array[] = []
    let done = 0
    while (regions[0] !== undefined && regions[0].start <= safe) {
      const region = regions[0]
      if (!region.told) out.push(work.subarray(done, Math.max(done, region.start)), marker)
      region.told = true
      done = Math.max(done, region.end)
      if (region.end > safe) break
      regions.shift()
    }
    const until = Math.min(safe, regions[0]?.start ?? safe)
    if (until > done) out.push(work.subarray(done, until))
    done = Math.max(done, until)
    held = Uint8Array.from(work.subarray(done))
    regions = regions.map(({ start, end, told }) => ({
      start: start - done,
      end: end - done,
      told,
    }))
    return Buffer.concat(out)
  }

  return {
    push(bytes) {
      const work = held.length === 0 ? bytes : Buffer.concat([held, bytes])
      for (let at = held.length; at < work.length; at++) {
        state = automaton.step(state, work[at]!)
        const length = automaton.matched(state)
        if (length > 0) add(at + 1 - length, at + 1)
      }
      return settle(work, work.length - automaton.depth(state))
    },
    flush() {
      state = 0
      return settle(held, held.length)
    },
  }
}

const urlKeys =
  'private_token authenticity_token rss_token x-amz-signature x-amz-credential x-amz-security-token'
const urlPrefixes = urlKeys.split(' ').flatMap(key => [`?${key}=`, `&${key}=`])
const tokenPrefixes =
  'glpat- gloas- gldt- glrt- glcbt- glrtr- glptt- glft- glimt- glagent- glsoat- glffct- gltok- _gitlab_session='.split(
    ' ',
  )

/** Keeps each prefix and masks the run of value bytes behind it. Holds nothing back, since what comes before the run is written anyway. */
function tailMasker(
  prefixes: readonly string[],
  isValueByte: (byte: number) => boolean,
  ignoreCase: boolean,
): Masker {
  const automaton = automatonOf(prefixes.map(prefix => Buffer.from(prefix)))
  let state = 0
  /** `before`: a prefix has just ended. */
  let run: 'none' | 'before' | 'within' = 'none'
  return {
    push(bytes) {
      const out: Uint8Array[] = []
      let from = 0
      for (let at = 0; at < bytes.length; at++) {
        const byte = bytes[at]!
        if (run !== 'none' && isValueByte(byte)) {
          if (run === 'before') out.push(bytes.subarray(from, at), marker)
          run = 'within'
          from = at + 1
          state = 0
          continue
        }
        run = 'none'
        state = automaton.step(state, ignoreCase ? lowerCase(byte) : byte)
        if (automaton.matched(state) > 0) run = 'before'
      }
      out.push(bytes.subarray(from))
      return Buffer.concat(out)
    },
    flush() {
      state = 0
      run = 'none'
      return new Uint8Array()
    },
  }
}

function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte
}

/** Anything but `?`, `&`, white space and control characters. */
function isUrlValueByte(byte: number): boolean {
  return byte > 0x20 && byte !== 0x7f && byte !== 0x3f && byte !== 0x26
}

/** `[A-Za-z0-9._=-]` */
function isTokenByte(byte: number): boolean {
  const lower = lowerCase(byte)
  return (
    (lower >= 0x61 && lower <= 0x7a) ||
    (byte >= 0x30 && byte <= 0x39) ||
    byte === 0x2e ||
    byte === 0x5f ||
    byte === 0x3d ||
    byte === 0x2d
  )
}
