/** The merged configuration as a whole: global keywords and jobs. */
import { child, isString, type MapNode, type Mark, markOf, type Node } from '../config/node.ts'
import { didYouMean, type Reporter } from '../config/problems.ts'
import { defaultKeys, type Inheritable, readInheritable } from './default.ts'
import { type JobEntry, jobKind, readJob } from './job.ts'
import { asMap, isBlank, onlyKeys, type Place, refuse, under } from './kit.ts'
import { type AutoCancelEntry, type RuleEntry, readAutoCancel, readRules } from './rules.ts'
import { readNestedStrings } from './script.ts'
import { readVariables, rootVariableKeys, type VariableEntries } from './variables.ts'

export interface WorkflowEntry {
  name?: string
  rules?: RuleEntry[]
  autoCancel?: AutoCancelEntry
  mark?: Mark
}

export interface RootEntry {
  /** With `.pre` and `.post`. */
  stages: string[]
  variables: VariableEntries
  workflow: WorkflowEntry
  jobs: JobEntry[]
}

/** Root keys that can't name a job. */
const reserved = [
  'include',
  'before_script',
  'image',
  'services',
  'after_script',
  'variables',
  'stages',
  'cache',
]
const legacyDefaults = ['before_script', 'image', 'services', 'after_script', 'cache']
const rootKeys = [...reserved, 'default', 'workflow', 'spec']

const defaultStages = ['build', 'test', 'deploy']

/** Reads everything; problems go to the reporter. `pause` lets others run between jobs. */
export async function readRoot(
  root: MapNode,
  report: Reporter,
  pause: () => Promise<void>,
): Promise<RootEntry> {
  const place: Place = { location: '', report }
  const map = withStagesAlias(place, root)
  const isJob = (name: string) =>
    !reserved.includes(name) &&
    (!['default', 'workflow'].includes(name) || jobKind(map.entries.get(name)!.value) !== undefined)
  const workflow = isJobless(map, 'workflow')
    ? readWorkflow(under(place, 'workflow'), child(map, 'workflow'))
    : {}
  const defaults = readDefault(place, map)
  const variables = child(map, 'variables')
  const around = { defaults, hasWorkflowRules: workflow.rules !== undefined }
  return {
    stages: readStages(under(place, 'stages'), child(map, 'stages')),
    variables: variables
      ? readVariables(under(place, 'variables'), variables, rootVariableKeys)
      : new Map(),
    workflow,
    jobs: await readJobs(place, map, isJob, around, pause),
  }
}

function isJobless(map: MapNode, key: string): boolean {
  const node = map.entries.get(key)?.value
  return node !== undefined && jobKind(node) === undefined
}

/** `types`, the name of `stages` in old files. */
function withStagesAlias(place: Place, root: MapNode): MapNode {
  const types = root.entries.get('types')
  if (types?.value.kind !== 'list') return root
  const isUsed = child(root, 'stages') === undefined
  place.report.warn(
    types.mark,
    isUsed
      ? '`types` is the old name of `stages`'
      : '`types` is ignored: `stages` stands beside it',
    { hint: isUsed ? 'write `stages` instead' : 'remove `types`' },
  )
  const entries = new Map(root.entries)
  entries.delete('types')
  if (isUsed) entries.set('stages', types)
  return { ...root, entries }
}

function readStages(place: Place, node: Node | undefined): string[] {
  const names = node ? (readNestedStrings(place, node) ?? defaultStages) : defaultStages
  const own = names.filter(name => name !== '.pre' && name !== '.post')
  return ['.pre', ...new Set(own), '.post']
}

function readDefault(place: Place, map: MapNode): Inheritable {
  const legacy = readInheritable(place, map, legacyDefaults)
  if (!isJobless(map, 'default')) return legacy
  const inner = under(place, 'default')
  const node = child(map, 'default')
  const block = node && asMap(inner, node)
  if (!block) return legacy
  onlyKeys(inner, block, defaultKeys)
  for (const key of legacyDefaults) {
    if (!child(map, key) || !child(block, key)) continue
    place.report.error(markOf(map, key), `${key} is defined in top-level and \`default:\` entry`, {
      hint: 'keep the one under `default`',
    })
  }
  return { ...legacy, ...readInheritable(inner, block) }
}

function readWorkflow(place: Place, node: Node | undefined): WorkflowEntry {
  const map = node && asMap(place, node)
  if (!map) return {}
  onlyKeys(place, map, ['rules', 'name', 'auto_cancel'])
  const name = child(map, 'name')
  const isName = name?.kind === 'scalar'
  if (name && (!isName || name.text.length > 255)) {
    refuse(
      place,
      name.mark,
      isName ? 'name is too long (maximum is 255 characters)' : 'name should be a string',
    )
  }
  const rules = child(map, 'rules')
  const autoCancel = child(map, 'auto_cancel')
  return {
    ...(name?.kind === 'scalar' && { name: name.text }),
    rules: rules && readRules(under(place, 'rules'), rules, 'workflow'),
    autoCancel: autoCancel && readAutoCancel(under(place, 'auto_cancel'), autoCancel),
    mark: map.mark,
  }
}

async function readJobs(
  place: Place,
  map: MapNode,
  isJob: (name: string) => boolean,
  around: Parameters<typeof readJob>[4],
  pause: () => Promise<void>,
): Promise<JobEntry[]> {
  const jobs: JobEntry[] = []
  const inner = under(place, 'jobs')
  let isAnyVisible = false
  for (const [name, entry] of map.entries) {
    if (!isJob(name) || place.report.isFull) continue
    await pause()
    if (name.startsWith('.') && entry.keyType === undefined) {
      if (isBlank(entry.value)) refuse(under(inner, name), entry.mark, "config can't be blank")
      continue
    }
    if (jobKind(entry.value) === undefined) {
      refuseJob(place, map, name)
      continue
    }
    isAnyVisible = true
    if (!checkName(inner, name, entry)) continue
    jobs.push(readJob(inner, name, entry.value as MapNode, entry.mark, around))
  }
  if (!isAnyVisible) {
    refuse(
      inner,
      map.mark,
      'config should contain at least one visible job',
      'a job is a mapping with a `script`',
    )
  }
  return jobs
}

function checkName(place: Place, name: string, entry: { mark: Mark; keyType?: string }): boolean {
  const inner = { ...place, job: name }
  if (entry.keyType !== undefined && entry.keyType !== 'symbol') {
    refuse(
      { ...under(inner, name) },
      entry.mark,
      'name should be a symbol',
      `quote the name: "${name}"`,
    )
    return false
  }
  if (/^\s*$/.test(name)) {
    refuse(under(inner, 'job'), entry.mark, "name can't be blank")
    return false
  }
  if (name.length > 255) {
    refuse(under(inner, name), entry.mark, 'name is too long (maximum is 255 characters)')
    return false
  }
  return true
}

/** Neither job nor global keyword. */
function refuseJob(place: Place, map: MapNode, name: string): void {
  const shown = /^[a-z\s]+$/.test(name.toLowerCase()) ? name.replace(/\s/g, '_') : name
  const value = map.entries.get(name)!.value
  const meant = didYouMean(name, rootKeys)
  const holds = isString(value) || value.kind === 'list' ? 'its value is no mapping' : undefined
  refuse(
    { ...place, job: name },
    markOf(map, name),
    `jobs ${shown} config should implement the script:, run:, or trigger: keyword`,
    meant ?? holds ?? 'add a `script`, or start the name with `.` to hide it',
  )
}
