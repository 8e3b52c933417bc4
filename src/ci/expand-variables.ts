/** Expansion of variables in variables, as the server does it before the runner sees them. */
import type { JobVariable } from '../protocol/index.ts'

/** A longer value stays as it was written: `A=$B$B`, `B=$C$C` … would double at each step. */
const maxValueLength = 256 * 1024

const reference = /\$\$|%%|\$([A-Za-z_]\w*)|\$\{([A-Za-z_]\w*)\}|%([A-Za-z_]\w*)%/g

/**
 * Expands each value once, whatever the order in which they are defined. `$$` stays for the runner; so do unknown names, references to raw
 * and file variables, to themselves, and those that close a cycle.
 */
export function expandVariables(variables: readonly JobVariable[]): JobVariable[] {
  const byKey = new Map(variables.map(variable => [variable.key, variable]))
  const values = new Map<JobVariable, string>()
  for (const variable of referredFirst(variables, byKey)) {
    values.set(variable, expanded(variable, byKey, values))
  }
  return variables.map(variable => ({ ...variable, value: values.get(variable)! }))
}

function expanded(
  variable: JobVariable,
  byKey: ReadonlyMap<string, JobVariable>,
  values: ReadonlyMap<JobVariable, string>,
): string {
  if (!hasReferences(variable)) return variable.value
  let length = variable.value.length
  const value = variable.value.replace(reference, (text, bare, braced, percent) => {
    const other = byKey.get(bare ?? braced ?? percent ?? '')
    // One without a value yet is in a cycle with this one.
    const known = other && values.get(other)
    if (known === undefined || other?.raw || other?.file || length > maxValueLength) return text
    length += known.length - text.length
    return known
  })
  return length > maxValueLength ? variable.value : value
}

function hasReferences(variable: JobVariable): boolean {
  return !variable.raw && /[$%]/.test(variable.value)
}

/** Each variable after those that it refers to; without recursion, since a chain may be long. */
function referredFirst(
  variables: readonly JobVariable[],
  byKey: ReadonlyMap<string, JobVariable>,
): JobVariable[] {
  const ordered: JobVariable[] = []
  const seen = new Set<JobVariable>()
  for (const first of variables) {
    const path: { variable: JobVariable; rest: JobVariable[] }[] = []
    const enter = (variable: JobVariable) => {
      if (seen.has(variable)) return
      seen.add(variable)
      path.push({ variable, rest: referredBy(variable, byKey) })
    }
    enter(first)
    while (path.length > 0) {
      const next = path[path.length - 1]!.rest.pop()
      if (next) enter(next)
      else ordered.push(path.pop()!.variable)
    }
  }
  return ordered
}

function referredBy(variable: JobVariable, byKey: ReadonlyMap<string, JobVariable>): JobVariable[] {
  if (!hasReferences(variable)) return []
  const found = new Set<JobVariable>()
  for (const [, bare, braced, percent] of variable.value.matchAll(reference)) {
    const other = byKey.get(bare ?? braced ?? percent ?? '')
    if (other) found.add(other)
  }
  return [...found]
}
