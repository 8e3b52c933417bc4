/** Globs as GitLab means them: Ruby's `File.fnmatch` with PATHNAME, DOTMATCH and EXTGLOB. */

export type GlobMatcher = (path: string) => boolean

/** More alternatives than this (`{a,b}{c,d}…`) match nothing more. */
const maxAlternatives = 256

/** `*` and `?` don't cross `/`, a leading dot is nothing special, a `**` directory is any depth (also none), `{a,b}` and `[a-z]` as usual. */
export function globMatcher(glob: string): GlobMatcher {
  const patterns = expandBraces(glob).map(one => one.split('/'))
  return path => {
    const parts = path.split('/')
    return patterns.some(pattern => matchParts(pattern, parts))
  }
}

/** `a{b,c}d` → `abd`, `acd`; nested ones too. */
function expandBraces(glob: string): string[] {
  let pending = [glob]
  for (;;) {
    let isChanged = false
    const next: string[] = []
    for (const text of pending) {
      const braces = outerBraces(text)
      if (!braces || pending.length > maxAlternatives) {
        next.push(text)
        continue
      }
      isChanged = true
      const { start, end, parts } = braces
      for (const part of parts) next.push(text.slice(0, start) + part + text.slice(end + 1))
    }
    pending = next.slice(0, maxAlternatives)
    if (!isChanged) return pending
  }
}

function outerBraces(text: string): { start: number; end: number; parts: string[] } | undefined {
  let depth = 0
  let start = -1
  let from = 0
  const parts: string[] = []
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === '\\') at++
    else if (char === '{') {
      if (depth++ === 0) {
        start = at
        from = at + 1
      }
    } else if (char === ',' && depth === 1) {
      parts.push(text.slice(from, at))
      from = at + 1
    } else if (char === '}' && depth > 0 && --depth === 0) {
      parts.push(text.slice(from, at))
      return { start, end: at, parts }
    }
  }
  return undefined
}

/** Dynamic programming over the parts, so that many `**` cost no more than their product. */
function matchParts(pattern: readonly string[], parts: readonly string[]): boolean {
  let reachable = new Set([0])
  pattern.forEach((piece, index) => {
    const next = new Set<number>()
    const isLast = index === pattern.length - 1
    for (const at of reachable) {
      if (piece === '**' && !isLast) for (let to = at; to < parts.length; to++) next.add(to)
      else if (at < parts.length && matchPart(piece, parts[at]!)) next.add(at + 1)
    }
    reachable = next
  })
  return reachable.has(parts.length)
}

/** One path part against one pattern part, by backtracking to the latest `*` only. */
function matchPart(pattern: string, text: string): boolean {
  let p = 0
  let t = 0
  let star = -1
  let mark = 0
  while (t < text.length) {
    const step = p < pattern.length && pattern[p] !== '*' ? matchChar(pattern, p, text[t]!) : 0
    if (step > 0) {
      p += step
      t++
    } else if (pattern[p] === '*') {
      star = p++
      mark = t
    } else if (star !== -1) {
      p = star + 1
      t = ++mark
    } else {
      return false
    }
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}

/** How much of the pattern matched the character; 0: it doesn't match. */
function matchChar(pattern: string, at: number, char: string): number {
  const first = pattern[at]!
  if (first === '?') return 1
  if (first === '\\' && at + 1 < pattern.length) return pattern[at + 1] === char ? 2 : 0
  if (first === '[') {
    const end = pattern.indexOf(']', at + 2)
    if (end !== -1) return matchSet(pattern.slice(at + 1, end), char) ? end - at + 1 : 0
  }
  return first === char ? 1 : 0
}

function matchSet(set: string, char: string): boolean {
  const isNegated = set.startsWith('!') || set.startsWith('^')
  const body = isNegated ? set.slice(1) : set
  let isIn = false
  for (let at = 0; at < body.length; at++) {
    if (body[at + 1] === '-' && at + 2 < body.length) {
      if (body[at]! <= char && char <= body[at + 2]!) isIn = true
      at += 2
    } else if (body[at] === char) {
      isIn = true
    }
  }
  return isIn !== isNegated
}
