/** Expansion of variables in variables, as the server does it before the runner sees them. */
import type { JobVariable } from '../protocol/index.ts'

/** A longer value stays as it was written: `A=$B$B`, `B=$C$C` … would double at each step. */
const maxValueLength = 256 * 1024
/** References deeper than this stay for the runner. */
const maxDepth = 100

const reference = /\$\$|%%|\$([A-Za-z_]\w*)|\$\{([A-Za-z_]\w*)\}|%([A-Za-z_]\w*)%/g

/**
 * Expands each value once, whatever the order in which they are defined. `$$` stays for the runner; so do unknown names, references to raw
 * and file variables, to themselves, and those that close a cycle.
 */
export function expandVariables(variables: readonly JobVariable[]): JobVariable[] {
  const byKey = new Map(variables.map(variable => [variable.key, variable]))
  const expanded = new Map<JobVariable, string>()
  const open = new Set<string>()

  const referred = (text: string, key: string): string => {
    const other = byKey.get(key)
    if (!other || other.raw || other.file || open.has(key) || open.size >= maxDepth) return text
    return expand(other)
  }
  const expand = (variable: JobVariable): string => {
    if (variable.raw || !/[$%]/.test(variable.value)) return variable.value
    const known = expanded.get(variable)
    if (known !== undefined) return known
    open.add(variable.key)
    let length = variable.value.length
    const value = variable.value.replace(reference, (text, bare, braced, percent) => {
      if (length > maxValueLength) return text
      const result = referred(text, bare ?? braced ?? percent ?? '')
      length += result.length - text.length
      return result
    })
    open.delete(variable.key)
    const bounded = length > maxValueLength ? variable.value : value
    expanded.set(variable, bounded)
    return bounded
  }
  return variables.map(variable => ({ ...variable, value: expand(variable) }))
}
