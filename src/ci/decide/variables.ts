/** The variables that rules see: every origin by precedence, values expanded once. */
import type { CompileVariable } from '../context.ts'
import type { PlanVariable } from '../plan.ts'
import { globMatcher } from './glob.ts'

export interface SeenVariable {
  value: string
  raw: boolean
  masked: boolean
  isFile: boolean
  origin: CompileVariable['origin'] | 'yaml'
}

/** Variables as one place of the configuration sees them. */
export interface VariableScope {
  get(name: string): SeenVariable | undefined
  /** Expanded value; undefined: no such variable. */
  value(name: string): string | undefined
  /** `$NAME`, `${NAME}`, `%NAME%` in a text; unknown names: kept as they stand, or empty. `$$` stays. */
  expand(text: string, unknown: 'keep' | 'empty'): string
  /** Names in a cycle of references, if there is one that this scope's own values make. */
  cycle(): string[] | undefined
  /** The same scope with variables of a YAML level above. */
  with(variables: Iterable<readonly [string, PlanVariable]>): VariableScope
}

const reference = /\$\$|%%|\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})|%([A-Za-z_]\w*)%/g

/** An expanded value may grow to this. */
const maxLength = 256 * 1024

/** `yaml` comes above predefined variables and below all others. `environment`: name of the job's, for settings that have a scope. */
export function variableScope(
  context: readonly CompileVariable[],
  yaml: Iterable<readonly [string, PlanVariable]> = [],
  environment?: string,
): VariableScope {
  return layeredScope(bottomLayer(context), yaml, topLayer(context, environment))
}

type Layer = ReadonlyMap<string, SeenVariable>

function bottomLayer(context: readonly CompileVariable[]): Layer {
  const predefined = context.filter(one => one.origin === 'predefined')
  return new Map(predefined.map(one => [one.key, seen(one)]))
}

const order = ['user', 'settings', 'pipeline'] as const

function topLayer(context: readonly CompileVariable[], environment: string | undefined): Layer {
  const layer = new Map<string, SeenVariable>()
  for (const origin of order) {
    const ofOrigin = context.filter(
      one => one.origin === origin && isInScope(one.environmentScope, environment),
    )
    // The most specific scope wins.
    ofOrigin.sort((a, b) => scopeWeight(a.environmentScope) - scopeWeight(b.environmentScope))
    for (const one of ofOrigin) layer.set(one.key, seen(one))
  }
  return layer
}

function isInScope(scope: string | undefined, environment: string | undefined): boolean {
  if (scope === undefined || scope === '*') return true
  if (environment === undefined) return false
  return globMatcher(scope.replaceAll('/', '\u0000'))(environment.replaceAll('/', '\u0000'))
}

function scopeWeight(scope: string | undefined): number {
  if (scope === undefined || scope === '*') return 0
  return scope.includes('*') ? scope.length : 1_000_000
}

function seen(one: CompileVariable): SeenVariable {
  return {
    value: one.value,
    raw: one.raw ?? false,
    masked: one.masked ?? false,
    isFile: one.type === 'file',
    origin: one.origin,
  }
}

function layeredScope(
  bottom: Layer,
  yaml: Iterable<readonly [string, PlanVariable]>,
  top: Layer,
): VariableScope {
  const middle = new Map<string, SeenVariable>()
  for (const [name, { value, expand }] of yaml) {
    middle.set(name, { value, raw: !expand, masked: false, isFile: false, origin: 'yaml' })
  }
  const get = (name: string) => top.get(name) ?? middle.get(name) ?? bottom.get(name)
  const expanded = new Map<string, string>()
  const open: string[] = []

  const value = (name: string): string | undefined => {
    const variable = get(name)
    if (!variable) return undefined
    if (variable.raw || !/[$%]/.test(variable.value)) return variable.value
    const known = expanded.get(name)
    if (known !== undefined) return known
    open.push(name)
    const result = replace(variable.value, 'empty')
    open.pop()
    expanded.set(name, result)
    return result
  }

  const replace = (text: string, unknown: 'keep' | 'empty'): string => {
    let length = text.length
    return text.replace(reference, (found, bare, braced, percent) => {
      const name: string | undefined = bare ?? braced ?? percent
      if (name === undefined || open.includes(name) || open.length > 100 || length > maxLength) {
        return found
      }
      const result = value(name) ?? (unknown === 'keep' ? found : '')
      length += result.length - found.length
      return result
    })
  }

  return {
    get,
    value,
    expand: replace,
    cycle: () => findCycle(middle, get),
    with: more => layeredScope(bottom, [...yamlPairs(middle), ...more], top),
  }
}

function* yamlPairs(layer: Layer): Iterable<readonly [string, PlanVariable]> {
  for (const [name, one] of layer) yield [name, { value: one.value, expand: !one.raw }]
}

/** A self reference (`PATH: $PATH:/x`) is no cycle: it is the runner's. */
function findCycle(
  names: ReadonlyMap<string, SeenVariable>,
  get: (name: string) => SeenVariable | undefined,
): string[] | undefined {
  const done = new Set<string>()
  for (const start of names.keys()) {
    const path: { name: string; next: string[] }[] = [{ name: start, next: references(get(start)) }]
    while (path.length > 0) {
      const here = path[path.length - 1]!
      const name = here.next.pop()
      if (name === undefined) {
        done.add(here.name)
        path.pop()
        continue
      }
      if (done.has(name) || name === here.name) continue
      const at = path.findIndex(one => one.name === name)
      if (at !== -1) return path.slice(at).map(one => one.name)
      path.push({ name, next: references(get(name)) })
    }
  }
  return undefined
}

function references(variable: SeenVariable | undefined): string[] {
  if (!variable || variable.raw) return []
  return [...variable.value.matchAll(reference)].flatMap(
    match => match[1] ?? match[2] ?? match[3] ?? [],
  )
}
