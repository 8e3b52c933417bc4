/** A job of the configuration, validated and typed, before `parallel` and rules. */
import { child, isString, type MapNode, type Mark, markOf, type Node } from '../config/node.ts'
import type { When } from '../plan.ts'
import { defaultKeys, type Inheritable, inherited, readInheritable } from './default.ts'
import { readDuration } from './duration.ts'
import { type EnvironmentEntry, readEnvironment } from './environment.ts'
import {
  type Plain,
  readCoverage,
  readJobInputs,
  readPages,
  readRelease,
  readRun,
  readSecrets,
} from './extras.ts'
import {
  asMap,
  isBlank,
  onlyKeys,
  type Place,
  readBoolean,
  readChoice,
  readIntegers,
  readString,
  readStringOrStrings,
  readStrings,
  refuse,
  under,
} from './kit.ts'
import { type NeedEntry, readNeeds } from './needs.ts'
import { type ParallelEntry, readParallel } from './parallel.ts'
import { type PolicyEntry, readPolicy } from './policy.ts'
import { type RuleEntry, readRules, weekSeconds } from './rules.ts'
import { readCommands } from './script.ts'
import { readTrigger, type TriggerEntry } from './trigger.ts'
import { jobVariableKeys, readVariables, type VariableEntries } from './variables.ts'

export interface JobEntry extends Inheritable {
  kind: 'job' | 'bridge'
  name: string
  stage: string
  /** Where problems with the stage are shown. */
  stageMark: Mark
  script?: string[]
  run?: Plain[]
  trigger?: TriggerEntry
  when?: Exclude<When, 'never'>
  startIn?: { text: string; seconds?: number }
  allowFailure?: boolean
  allowFailureExitCodes?: number[]
  manualConfirmation?: string
  rules?: RuleEntry[]
  only?: PolicyEntry
  except?: PolicyEntry
  needs?: NeedEntry[]
  dependencies?: { job: string; mark: Mark }[]
  variables: VariableEntries
  inheritVariables: boolean | string[]
  environment?: EnvironmentEntry
  coverage?: string
  parallel?: ParallelEntry
  resourceGroup?: string
  release?: Plain
  pages?: boolean | Plain
  publish?: string
  secrets?: Plain
  inputs?: Plain
  dast?: Plain
  mark: Mark
}

const processableKeys = [
  'extends',
  'stage',
  'only',
  'except',
  'rules',
  'variables',
  'inherit',
  'allow_failure',
  'when',
  'needs',
  'resource_group',
  'environment',
  'interruptible',
]

/** Every key that a job may have. */
export const jobKeys: readonly string[] = [
  ...processableKeys,
  ...defaultKeys.filter(key => key !== 'interruptible'),
  'coverage',
  'dast_configuration',
  'dependencies',
  'inputs',
  'manual_confirmation',
  'pages',
  'parallel',
  'publish',
  'release',
  'run',
  'script',
  'secrets',
  'start_in',
]

/** Every key that a job with `trigger` may have. */
export const bridgeKeys: readonly string[] = [...processableKeys, 'trigger', 'parallel']

const jobWhen = ['on_success', 'on_failure', 'always', 'manual', 'delayed'] as const
const bridgeWhen = ['on_success', 'on_failure', 'always', 'manual'] as const

export interface JobSurroundings {
  defaults: Inheritable
  /** `workflow:rules` stands: no default `only`, no warning about double pipelines. */
  hasWorkflowRules: boolean
}

/** Is this mapping a job (with `script` or `run`), a bridge (`trigger` or `needs`), or neither? */
export function jobKind(node: Node): JobEntry['kind'] | undefined {
  if (node.kind !== 'map') return undefined
  if (node.entries.has('script') || node.entries.has('run')) return 'job'
  if (node.entries.has('trigger') || node.entries.has('needs')) return 'bridge'
  return undefined
}

/** Reads a job; whatever is wrong is reported, and the rest is read on. */
export function readJob(
  parent: Place,
  name: string,
  node: MapNode,
  mark: Mark,
  around: JobSurroundings,
): JobEntry {
  const place = { ...under(parent, name), job: name }
  const kind = jobKind(node) ?? 'job'
  checkTogether(place, node)
  const map = withStageAlias(place, node)
  onlyKeys(place, map, kind === 'job' ? jobKeys : bridgeKeys)
  const entry: JobEntry = {
    ...readProcessable(place, name, kind, map, mark),
    ...(kind === 'job' ? readJobOnly(place, map) : readBridgeOnly(place, map)),
    ...readDefaults(place, map, kind, around),
  }
  applyPages(place, map, entry)
  checkNeeds(place, map, entry)
  if (kind === 'bridge') checkBridge(place, map, entry)
  warnDoublePipelines(place, entry, around)
  return entry
}

/** `type`, the name of `stage` in old files. */
function withStageAlias(place: Place, map: MapNode): MapNode {
  const type = map.entries.get('type')
  if (!type) return map
  const isUsed = child(map, 'stage') === undefined
  place.report.warn(
    type.mark,
    isUsed
      ? `${place.location} \`type\` is the old name of \`stage\``
      : `${place.location} \`type\` is ignored: \`stage\` stands beside it`,
    { job: place.job, hint: isUsed ? 'write `stage` instead' : 'remove `type`' },
  )
  const entries = new Map(map.entries)
  entries.delete('type')
  if (isUsed) entries.set('stage', type)
  return { ...map, entries }
}

const exclusive = [
  ['script', 'trigger'],
  ['run', 'trigger'],
  ['script', 'run'],
  ['before_script', 'run'],
  ['after_script', 'run'],
]

function checkTogether(place: Place, map: MapNode): void {
  for (const pair of exclusive) {
    if (!pair.every(key => map.entries.has(key))) continue
    refuse(
      place,
      markOf(map, pair[1]!),
      `config these keys cannot be used together: ${pair.join(', ')}`,
    )
  }
  const rules = child(map, 'rules')
  if (!rules) return
  const refused = ['only', 'except', 'start_in'].filter(key => child(map, key))
  if (refused.length > 0) {
    refuse(
      place,
      markOf(map, refused[0]!),
      `config key may not be used with \`rules\`: ${refused.join(', ')}`,
    )
  }
}

function readProcessable(
  place: Place,
  name: string,
  kind: JobEntry['kind'],
  map: MapNode,
  mark: Mark,
): JobEntry {
  const at = (key: string) => under(place, key)
  const stage = readString(at('stage'), child(map, 'stage'), 'config')
  const rules = child(map, 'rules')
  const only = child(map, 'only')
  const except = child(map, 'except')
  const variables = child(map, 'variables')
  const environment = child(map, 'environment')
  const needs = child(map, 'needs')
  const parallel = child(map, 'parallel')
  const group = readString(place, child(map, 'resource_group'), 'resource group')
  readStringOrStrings(place, child(map, 'extends'), 'extends')
  return {
    kind,
    name,
    mark,
    stage: stage ?? 'test',
    stageMark: map.entries.has('stage') ? (child(map, 'stage') ?? map).mark : mark,
    when: readChoice(place, child(map, 'when'), 'when', kind === 'job' ? jobWhen : bridgeWhen),
    rules: rules && readRules(at('rules'), rules, 'job'),
    only: only && readPolicy(at('only'), only),
    except: except && readPolicy(at('except'), except),
    variables: variables ? readVariables(at('variables'), variables, jobVariableKeys) : new Map(),
    inheritVariables: readInheritVariables(place, map),
    environment: environment && readEnvironment(at('environment'), environment),
    needs:
      needs && readNeeds(at('needs'), needs, kind === 'job' ? ['job', 'cross'] : ['job', 'bridge']),
    parallel: parallel && readParallel(at('parallel'), parallel, { numeric: kind === 'job' }),
    ...(group !== undefined && { resourceGroup: group }),
  }
}

function readJobOnly(place: Place, map: MapNode): Partial<JobEntry> {
  const at = (key: string) => under(place, key)
  const read = <T>(key: string, reader: (place: Place, node: Node) => T | undefined) => {
    const node = child(map, key)
    return node && reader(at(key), node)
  }
  const script = child(map, 'script')
  if (isBlank(script) && !map.entries.has('run')) {
    refuse(place, markOf(map, 'script'), "script can't be blank")
  }
  const run = child(map, 'run')
  return {
    script: isBlank(script) ? undefined : readCommands(at('script'), script!),
    run: run && readRun(place, run),
    ...readStartIn(place, map),
    ...readAllowFailure(at('allow_failure'), child(map, 'allow_failure')),
    manualConfirmation: readString(place, child(map, 'manual_confirmation'), 'manual confirmation'),
    dependencies: readDependencies(place, child(map, 'dependencies')),
    coverage: read('coverage', readCoverage),
    release: read('release', readRelease),
    pages: read('pages', readPages),
    publish: readString(at('publish'), child(map, 'publish'), 'config'),
    secrets: read('secrets', readSecrets),
    inputs: read('inputs', readJobInputs),
    dast: read('dast_configuration', readDast),
  }
}

function readBridgeOnly(place: Place, map: MapNode): Partial<JobEntry> {
  const trigger = child(map, 'trigger')
  return {
    trigger: trigger && readTrigger(under(place, 'trigger'), trigger),
    allowFailure: readBoolean(place, child(map, 'allow_failure'), 'allow failure'),
  }
}

function readDast(place: Place, node: Node): Plain | undefined {
  const map = asMap(place, node)
  if (!map) return undefined
  onlyKeys(place, map, ['site_profile', 'scanner_profile'])
  return Object.fromEntries(
    [...map.entries].map(([key, one]) => [key, readString(place, one.value, key)]),
  )
}

function readDependencies(place: Place, node: Node | undefined): JobEntry['dependencies'] {
  const names = readStrings(place, node, 'dependencies')
  if (!names || node?.kind !== 'list') return undefined
  return names.map((job, at) => ({ job, mark: node.items[at]!.mark }))
}

function readStartIn(place: Place, map: MapNode): Pick<JobEntry, 'startIn'> {
  const when = child(map, 'when')
  const node = child(map, 'start_in')
  if (!isString(when) || when.value !== 'delayed') {
    if (node && !child(map, 'rules')) {
      refuse(place, node.mark, 'start in must be blank', 'it goes with `when: delayed`')
    }
    return {}
  }
  if (node === undefined) {
    if (!child(map, 'rules')) {
      refuse(
        place,
        when.mark,
        'start in should be a duration',
        'add it, such as `start_in: 30 minutes`',
      )
    }
    return {}
  }
  return { startIn: readDuration(place, node, 'start in', { maxSeconds: weekSeconds }) }
}

function readAllowFailure(
  place: Place,
  node: Node | undefined,
): Pick<JobEntry, 'allowFailure' | 'allowFailureExitCodes'> {
  if (node === undefined) return {}
  const outer = { ...place, location: place.location.replace(/:allow_failure$/, '') }
  if (node.kind === 'scalar' && typeof node.value === 'boolean') return { allowFailure: node.value }
  if (node.kind !== 'map') {
    refuse(outer, node.mark, 'allow failure should be a hash or a boolean value')
    return {}
  }
  onlyKeys(place, node, ['exit_codes'])
  const codes = readIntegers(place, child(node, 'exit_codes'), 'exit codes')
  return { allowFailure: false, ...(codes && { allowFailureExitCodes: codes }) }
}

function readDefaults(
  place: Place,
  map: MapNode,
  kind: JobEntry['kind'],
  around: JobSurroundings,
): Inheritable {
  const keys = kind === 'job' ? defaultKeys : ['interruptible']
  const allows = readInheritDefault(place, map)
  return { ...inherited(around.defaults, map, allows, keys), ...readInheritable(place, map, keys) }
}

function readInheritDefault(place: Place, job: MapNode): (key: string) => boolean {
  const outer = under(place, 'inherit')
  const inherit = child(job, 'inherit')
  const map = inherit && asMap(outer, inherit)
  if (map) onlyKeys(outer, map, ['default', 'variables'])
  const node = child(map, 'default')
  const inner = under(outer, 'default')
  if (node === undefined) return () => true
  if (node.kind === 'scalar' && typeof node.value === 'boolean') return () => node.value === true
  if (node.kind !== 'list') {
    refuse(inner, node.mark, 'should be a bool or array of strings')
    return () => false
  }
  const names = readStrings(inner, node, 'config') ?? []
  const unknown = names.filter(name => !defaultKeys.includes(name))
  if (unknown.length > 0) {
    refuse(inner, node.mark, `config contains unknown values: ${unknown.join(', ')}`)
  }
  return key => names.includes(key)
}

function readInheritVariables(place: Place, job: MapNode): boolean | string[] {
  const node = child(child(job, 'inherit'), 'variables')
  const inner = under(under(place, 'inherit'), 'variables')
  if (node === undefined) return true
  if (node.kind === 'scalar' && typeof node.value === 'boolean') return node.value
  if (node.kind === 'list') return readStrings(inner, node, 'config') ?? true
  refuse(inner, node.mark, 'should be a bool or array of strings')
  return true
}

/** A pages job also keeps what it publishes. */
function applyPages(place: Place, map: MapNode, entry: JobEntry): void {
  const isPages =
    entry.pages !== undefined
      ? entry.pages !== false
      : entry.name === 'pages' && entry.kind === 'job'
  const publish = child(map, 'publish')
  if (!isPages) {
    if (publish) refuse(place, publish.mark, 'publish can only be used within a `pages` job')
    return
  }
  const inPages = typeof entry.pages === 'object' ? entry.pages['publish'] : undefined
  if (entry.publish !== undefined && inPages !== undefined) {
    const { name } = entry
    place.report.error(
      publish?.mark ?? entry.mark,
      `${name} job: use either ${name}:publish or ${name}:pages:publish`,
      { job: name },
    )
  }
  const path = typeof inPages === 'string' ? inPages : (entry.publish ?? 'public')
  const before = entry.artifacts
  if (before?.paths.includes(path)) return
  const paths = [...(before?.paths ?? []), path]
  entry.artifacts = {
    exclude: [],
    untracked: false,
    when: 'on_success',
    reports: {},
    mark: entry.mark,
    ...before,
    paths,
    raw: { ...before?.raw, paths },
  }
}

function checkNeeds(place: Place, map: MapNode, entry: JobEntry): void {
  if (!entry.dependencies?.length || !entry.needs?.length) return
  const needed = entry.needs.flatMap(need => (need.kind === 'job' ? [need.job] : []))
  if (needed.length === 0) {
    refuse(
      place,
      markOf(map, 'needs'),
      'needs corresponding to dependencies must be from the same pipeline',
    )
    return
  }
  const missing = entry.dependencies.filter(one => !needed.includes(one.job))
  if (missing.length > 0) {
    const names = missing.map(one => one.job).join(', ')
    refuse(place, missing[0]!.mark, `dependencies the ${names} should be part of needs`)
  }
}

function checkBridge(place: Place, map: MapNode, entry: JobEntry): void {
  const bridges = entry.needs?.filter(need => need.kind === 'bridge') ?? []
  if (!child(map, 'trigger') && bridges.length === 0) {
    refuse(
      place,
      entry.mark,
      'config should contain either a trigger or a needs:pipeline',
      'or is the `script` missing?',
    )
  }
  if (bridges.length > 1) {
    refuse(place, bridges[1]!.mark, 'config should contain at most one bridge need')
  }
}

function warnDoublePipelines(place: Place, entry: JobEntry, around: JobSurroundings): void {
  const last = entry.rules?.at(-1)
  if (around.hasWorkflowRules || !last) return
  const keys = Object.keys(last.raw)
  if (keys.length !== 1 || last.when === undefined || last.when === 'never') return
  place.report.warn(
    last.mark,
    `${place.location} may allow multiple pipelines to run for a single action due to \`rules:when\` clause with no \`workflow:rules\` - read more: https://docs.gitlab.com/ee/ci/jobs/job_troubleshooting.html#job-may-allow-multiple-pipelines-to-run-for-a-single-action-warning`,
    { job: place.job },
  )
}
