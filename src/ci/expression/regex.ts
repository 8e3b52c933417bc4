import { RE2JS } from 're2js'

/** A user's pattern, matched in linear time. */
export interface Pattern {
  /** Does it match anywhere in the text? */
  test(text: string): boolean
}

const shape = /^\/([\s\S]+)\/([ismU]*)$/

/** Does the text look like `/pattern/flags`? */
export function looksLikePattern(text: string): boolean {
  return shape.test(text.trim())
}

const maxSource = 10_000

/** Compiled patterns, the most recent `limit` of them. Undefined: RE2 can't compile it. */
export function patternCache(limit = 1_000): (source: string) => Pattern | undefined {
  const kept = new Map<string, Pattern | undefined>()
  return source => {
    if (kept.has(source)) return kept.get(source)
    const pattern = compilePattern(source)
    if (kept.size >= limit) kept.delete(kept.keys().next().value!)
    kept.set(source, pattern)
    return pattern
  }
}

/** Compiles `/pattern/flags` with RE2's syntax. */
export function compilePattern(source: string): Pattern | undefined {
  const [, body, letters] = shape.exec(source.trim()) ?? []
  if (body === undefined || body.length > maxSource) return undefined
  const inline = [...new Set(letters)].join('')
  const text = body.replaceAll('\\/', '/')
  try {
    const compiled = RE2JS.compile(inline ? `(?${inline})${text}` : text)
    return { test: value => compiled.matcher(value).find() }
  } catch {
    return undefined
  }
}
