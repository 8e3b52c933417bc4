import { child, isString, type MapNode, type Mark, type Node, toPlain } from '../config/node.ts'
import { ExpressionError } from '../expression/lexer.ts'
import { type Expression, parseExpression } from '../expression/parse.ts'
import type { When } from '../plan.ts'
import { readDuration } from './duration.ts'
import {
  asMap,
  isBlank,
  onlyKeys,
  type Place,
  readBoolean,
  readChoice,
  readString,
  readStrings,
  refuse,
  shapeHint,
  under,
} from './kit.ts'
import { type NeedEntry, readNeeds } from './needs.ts'
import { readVariables, type VariableEntries } from './variables.ts'

export interface ConditionEntry {
  text: string
  expression: Expression
  mark: Mark
}

export interface ChangesEntry {
  paths: string[]
  regexp?: string
  compareTo?: string
  mark: Mark
}

export interface ExistsEntry {
  paths: string[]
  regexp?: string
  project?: string
  ref?: string
  mark: Mark
}

export interface AutoCancelEntry {
  onNewCommit?: 'conservative' | 'interruptible' | 'none'
  onJobFailure?: 'all' | 'none'
}

export interface RuleEntry {
  if?: ConditionEntry
  changes?: ChangesEntry
  exists?: ExistsEntry
  when?: When
  startIn?: string
  startInSeconds?: number
  allowFailure?: boolean
  variables?: VariableEntries
  needs?: NeedEntry[]
  interruptible?: boolean
  autoCancel?: AutoCancelEntry
  /** As written, `changes` and `exists` in their long form. */
  raw: Record<string, unknown>
  mark: Mark
}

/** Where the rules stand: what they may say differs. */
export type RulesKind = 'job' | 'workflow' | 'include'

const keysOf: Readonly<Record<RulesKind, readonly string[]>> = {
  job: [
    'if',
    'changes',
    'exists',
    'when',
    'start_in',
    'allow_failure',
    'variables',
    'needs',
    'interruptible',
  ],
  workflow: ['if', 'changes', 'exists', 'when', 'variables', 'auto_cancel'],
  include: ['if', 'changes', 'exists', 'when'],
}

const whenOf: Readonly<Record<RulesKind, readonly When[]>> = {
  job: ['on_success', 'on_failure', 'always', 'never', 'manual', 'delayed'],
  workflow: ['always', 'never'],
  include: ['always', 'never'],
}

const maxLevels = 10
const maxPaths = 50
export const weekSeconds = 7 * 24 * 3600

/** `rules:`; lists may be nested. Undefined after a problem with the whole. */
export function readRules(place: Place, node: Node, kind: RulesKind): RuleEntry[] | undefined {
  const outer = { ...place, location: place.location.replace(/:rules$/, '') }
  const items: MapNode[] = []
  const wrong = node.kind === 'list' ? collectMaps(node.items, items, maxLevels) : node
  if (wrong) {
    return refuse(
      outer,
      wrong.mark,
      'rules should be an array containing hashes and arrays of hashes',
      shapeHint(wrong),
    )
  }
  if (node.kind === 'list' && node.items.length === 0) {
    return refuse(
      place,
      node.mark,
      "config can't be blank",
      'remove `rules`, or write `- when: always`',
    )
  }
  return items.map(item => readRule(under(place, 'rule'), item, kind))
}

function collectMaps(items: readonly Node[], into: MapNode[], levels: number): Node | undefined {
  for (const item of items) {
    if (item.kind === 'map') into.push(item)
    else if (item.kind !== 'list' || levels <= 1) return item
    else {
      const wrong = collectMaps(item.items, into, levels - 1)
      if (wrong) return wrong
    }
  }
  return undefined
}

function readRule(place: Place, map: MapNode, kind: RulesKind): RuleEntry {
  if (map.entries.size === 0) refuse(place, map.mark, "config can't be blank")
  onlyKeys(place, map, keysOf[kind])
  const when = readChoiceOfWhen(place, child(map, 'when'), whenOf[kind])
  const variables = child(map, 'variables')
  const needs = child(map, 'needs')
  const changes = child(map, 'changes')
  const exists = map.entries.get('exists')?.value
  const autoCancel = child(map, 'auto_cancel')
  const entry: RuleEntry = {
    if: readCondition(place, child(map, 'if')),
    changes: changes && readChanges(under(place, 'changes'), changes),
    exists: exists && readExists(under(place, 'exists'), exists, kind),
    when,
    ...readStartIn(place, map, when),
    allowFailure: readBoolean(place, child(map, 'allow_failure'), 'allow failure'),
    variables: variables && readVariables(under(place, 'variables'), variables, []),
    needs: needs && readNeeds(under(place, 'needs'), needs, ['job']),
    interruptible: readBoolean(place, child(map, 'interruptible'), 'interruptible'),
    autoCancel: autoCancel && readAutoCancel(under(place, 'auto_cancel'), autoCancel),
    raw: {},
    mark: map.mark,
  }
  entry.raw = rawRule(map, entry)
  return entry
}

function readStartIn(
  place: Place,
  map: MapNode,
  when: When | undefined,
): Pick<RuleEntry, 'startIn' | 'startInSeconds'> {
  const node = child(map, 'start_in')
  if (when !== 'delayed') {
    if (node)
      refuse(
        place,
        node.mark,
        'config contains disallowed keys: start_in',
        'it goes with `when: delayed`',
      )
    return {}
  }
  if (node === undefined) {
    refuse(place, map.mark, "start in can't be blank", 'such as `start_in: 30 minutes`')
    return {}
  }
  const duration = readDuration(place, node, 'start in', { maxSeconds: weekSeconds })
  return duration ? { startIn: duration.text, startInSeconds: duration.seconds } : {}
}

function readChoiceOfWhen(
  place: Place,
  node: Node | undefined,
  choices: readonly When[],
): When | undefined {
  const text = node?.kind === 'scalar' ? node.text : ''
  return readChoice(place, node, 'when', choices, `unknown value: ${text}`)
}

/** A rule as GitLab's processed configuration has it. */
function rawRule(map: MapNode, entry: RuleEntry): Record<string, unknown> {
  const raw = [...map.entries].flatMap(([key, { value }]): [string, unknown][] => {
    if (value.kind === 'scalar' && value.value === null) return []
    if (key === 'changes' && value.kind === 'list') return [[key, { paths: toPlain(value) }]]
    if (key === 'exists' && entry.exists && value.kind !== 'map') {
      return [[key, { paths: entry.exists.paths }]]
    }
    if (key === 'variables' && entry.variables) {
      const plain = [...entry.variables].map(([name, one]) => [name, one.value])
      return [[key, Object.fromEntries(plain)]]
    }
    return [[key, toPlain(value)]]
  })
  return Object.fromEntries(raw)
}

/** An expression of `if`; null counts as absent. */
export function readCondition(
  place: Place,
  node: Node | undefined,
  attribute = 'if',
): ConditionEntry | undefined {
  if (node === undefined) return undefined
  if (!isString(node)) {
    return refuse(
      place,
      node.mark,
      `${attribute} invalid expression syntax`,
      shapeHint(node) ?? 'write an expression as text',
    )
  }
  try {
    return { text: node.value, expression: parseExpression(node.value), mark: node.mark }
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    const near = node.value.slice(error.at, error.at + 20).split('\n')[0]
    const where = near ? `at \`${near}\`` : 'at its end'
    return refuse(
      place,
      node.mark,
      `${attribute} invalid expression syntax`,
      [where, error.hint].filter(Boolean).join(': '),
    )
  }
}

function readPaths(place: Place, node: Node | undefined, attribute: string): string[] {
  const paths = readStrings(place, node, attribute) ?? []
  if (paths.length > maxPaths) {
    refuse(place, node!.mark, `${attribute} has too many entries (maximum ${maxPaths})`)
  }
  return paths
}

function readChanges(place: Place, node: Node): ChangesEntry | undefined {
  if (node.kind === 'list') return { paths: readPaths(place, node, 'config'), mark: node.mark }
  if (node.kind !== 'map')
    return refuse(place, node.mark, 'should be an array or a hash', shapeHint(node))
  onlyKeys(place, node, ['paths', 'compare_to', 'regexp'])
  const regexp = readRegexp(place, node)
  if (!child(node, 'paths') && regexp === undefined) {
    return refuse(place, node.mark, 'config missing required keys: paths')
  }
  const compareTo = readString(place, child(node, 'compare_to'), 'compare to')
  return {
    paths: readPaths(place, child(node, 'paths'), 'paths'),
    ...(regexp !== undefined && { regexp }),
    ...(compareTo !== undefined && { compareTo }),
    mark: node.mark,
  }
}

function readExists(place: Place, node: Node, kind: RulesKind): ExistsEntry | undefined {
  if (isBlank(node)) return { paths: [], mark: node.mark }
  if (isString(node)) return { paths: [node.value], mark: node.mark }
  if (node.kind === 'list') {
    const paths =
      kind === 'include' ? readStrings(place, node, 'config') : readPaths(place, node, 'config')
    return { paths: paths ?? [], mark: node.mark }
  }
  if (node.kind !== 'map') {
    return refuse(place, node.mark, 'should be a string, an array of strings, or a hash')
  }
  onlyKeys(place, node, ['paths', 'project', 'ref', 'regexp'])
  const regexp = readRegexp(place, node)
  if (!node.entries.has('paths') && regexp === undefined) {
    return refuse(place, node.mark, 'config missing required keys: paths')
  }
  if (child(node, 'ref') && !node.entries.has('project')) {
    return refuse(place, node.mark, 'config missing required keys: project')
  }
  const project = readString(place, child(node, 'project'), 'project')
  const ref = readString(place, child(node, 'ref'), 'ref')
  return {
    paths: readPaths(place, child(node, 'paths'), 'paths'),
    ...(regexp !== undefined && { regexp }),
    ...(project !== undefined && { project }),
    ...(ref !== undefined && { ref }),
    mark: node.mark,
  }
}

function readRegexp(place: Place, map: MapNode): string | undefined {
  const node = child(map, 'regexp')
  const source = readString(place, node, 'regexp')
  if (node === undefined || source === undefined) return undefined
  if (map.entries.has('paths')) {
    return refuse(place, node.mark, 'config these keys cannot be used together: paths, regexp')
  }
  if (source.length > 255) {
    return refuse(place, node.mark, 'regexp is too long (maximum is 255 characters)')
  }
  return source
}

/** `workflow:auto_cancel`, also in its rules. */
export function readAutoCancel(place: Place, node: Node): AutoCancelEntry | undefined {
  const map = asMap(place, node)
  if (!map) return undefined
  onlyKeys(place, map, ['on_new_commit', 'on_job_failure'])
  const commit = ['conservative', 'interruptible', 'none'] as const
  const failure = ['none', 'all'] as const
  const must = (choices: readonly string[]) => `must be one of: ${choices.join(', ')}`
  const onNewCommit = readChoice(
    place,
    child(map, 'on_new_commit'),
    'on new commit',
    commit,
    must(commit),
  )
  const onJobFailure = readChoice(
    place,
    child(map, 'on_job_failure'),
    'on job failure',
    failure,
    must(failure),
  )
  return { ...(onNewCommit && { onNewCommit }), ...(onJobFailure && { onJobFailure }) }
}
