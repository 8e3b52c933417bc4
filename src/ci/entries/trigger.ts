import { child, isString, type MapNode, type Mark, type Node, toPlain } from '../config/node.ts'
import {
  asMap,
  isBlank,
  onlyKeys,
  type Place,
  readBoolean,
  readChoice,
  readString,
  refuse,
  under,
} from './kit.ts'

export interface TriggerEntry {
  project?: string
  branch?: string
  /** Each with exactly one of `local`, `remote`, `template`, `component`, `project`+`file`, `artifact`+`job`. */
  include?: Record<string, unknown>[]
  strategy?: 'depend' | 'mirror'
  forward?: { yaml_variables?: boolean; pipeline_variables?: boolean }
  inputs?: Record<string, unknown>
  /** Jobs that make the included files. */
  artifactJobs: { job: string; mark: Mark }[]
  mark: Mark
}

const maxIncludes = 3
const includeKeys = [
  'local',
  'file',
  'remote',
  'project',
  'ref',
  'integrity',
  'cache',
  'template',
  'artifact',
  'inputs',
  'job',
  'rules',
  'component',
]

/** `trigger:`. */
export function readTrigger(place: Place, node: Node): TriggerEntry | undefined {
  if (isString(node)) {
    if (isBlank(node)) return refuse(place, node.mark, "config can't be blank")
    return { project: node.value, artifactJobs: [], mark: node.mark }
  }
  if (node.kind !== 'map') {
    return refuse(place, node.mark, 'has to be either a string or a hash')
  }
  if (node.entries.size === 0) return refuse(place, node.mark, "config can't be blank")
  return node.entries.has('include') ? readChild(place, node) : readProject(place, node)
}

function common(place: Place, map: MapNode): Pick<TriggerEntry, 'strategy' | 'forward' | 'inputs'> {
  const strategy = readChoice(
    place,
    child(map, 'strategy'),
    'strategy',
    ['depend', 'mirror'],
    'should be depend or mirror',
  )
  const forwardNode = child(map, 'forward')
  const forwardMap = forwardNode && asMap(under(place, 'forward'), forwardNode)
  if (forwardMap)
    onlyKeys(under(place, 'forward'), forwardMap, ['yaml_variables', 'pipeline_variables'])
  const inputs = child(map, 'inputs')
  const inputsMap = inputs && asMap(place, inputs, 'inputs should be a hash')
  const yaml = readBoolean(place, child(forwardMap, 'yaml_variables'), 'yaml variables')
  const pipeline = readBoolean(place, child(forwardMap, 'pipeline_variables'), 'pipeline variables')
  return {
    ...(strategy && { strategy }),
    ...(forwardMap && {
      forward: {
        ...(yaml !== undefined && { yaml_variables: yaml }),
        ...(pipeline !== undefined && { pipeline_variables: pipeline }),
      },
    }),
    ...(inputsMap && { inputs: toPlain(inputsMap) as Record<string, unknown> }),
  }
}

function readProject(place: Place, map: MapNode): TriggerEntry | undefined {
  onlyKeys(place, map, ['project', 'branch', 'strategy', 'forward', 'inputs'])
  const project = child(map, 'project')
  if (isBlank(project)) {
    return refuse(
      place,
      map.mark,
      "project can't be blank",
      'specify either `project` or `include`',
    )
  }
  const name = readString(place, project, 'project')
  const branch = readString(place, child(map, 'branch'), 'branch')
  if (name === undefined) return undefined
  return {
    project: name,
    ...(branch !== undefined && { branch }),
    ...common(place, map),
    artifactJobs: [],
    mark: map.mark,
  }
}

function readChild(place: Place, map: MapNode): TriggerEntry | undefined {
  onlyKeys(place, map, ['strategy', 'include', 'forward', 'inputs'])
  const node = child(map, 'include')
  if (node === undefined) {
    return refuse(place, map.mark, 'config must specify either project or include')
  }
  const items = node.kind === 'list' ? node.items : [node]
  const inner = under(place, 'include')
  if (items.length > maxIncludes) {
    refuse(inner, node.mark, `config is too long (maximum is ${maxIncludes})`)
  }
  const artifactJobs: TriggerEntry['artifactJobs'] = []
  const include = items
    .map(item => readInclude(inner, item, artifactJobs))
    .filter(one => one !== undefined)
  return { include, ...common(place, map), artifactJobs, mark: map.mark }
}

function readInclude(
  place: Place,
  node: Node,
  artifactJobs: TriggerEntry['artifactJobs'],
): Record<string, unknown> | undefined {
  if (isString(node)) {
    return /^https?:\/\//i.test(node.value) ? { remote: node.value } : { local: node.value }
  }
  const map = asMap(place, node, 'config should be a hash or a string')
  if (!map) return undefined
  onlyKeys(place, map, includeKeys)
  if (child(map, 'project') && isBlank(child(map, 'file'))) {
    return refuse(place, map.mark, 'config must specify the file where to fetch the config from')
  }
  const job = child(map, 'job')
  if (child(map, 'artifact') && isBlank(job)) {
    return refuse(place, map.mark, 'config must specify the job where to fetch the artifact from')
  }
  if (isString(job)) artifactJobs.push({ job: job.value, mark: job.mark })
  return toPlain(map) as Record<string, unknown>
}
