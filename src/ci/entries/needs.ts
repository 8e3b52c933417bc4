import { child, isString, type MapNode, type Mark, type Node } from '../config/node.ts'
import { isBlank, onlyKeys, type Place, readBoolean, readString, refuse, under } from './kit.ts'
import { type ParallelEntry, readParallel } from './parallel.ts'

export type NeedEntry =
  | {
      kind: 'job'
      job: string
      artifacts: boolean
      optional: boolean
      /** Selects instances of a matrix. */
      parallel?: Extract<ParallelEntry, { kind: 'matrix' }>
      mark: Mark
    }
  | {
      kind: 'cross'
      pipeline?: string
      project?: string
      ref?: string
      job: string
      artifacts: boolean
      optional?: boolean
      mark: Mark
    }
  | { kind: 'bridge'; pipeline: string; mark: Mark }

type NeedKind = NeedEntry['kind']

const typeNames = { job: 'job', cross: 'cross_dependency', bridge: 'bridge' } as const
const maxCrossPipeline = 5

/** `needs:`. Undefined after a problem with the whole; wrong items are reported and left out. */
export function readNeeds(
  place: Place,
  node: Node,
  allowed: readonly NeedKind[],
): NeedEntry[] | undefined {
  if (node.kind !== 'map' && node.kind !== 'list') {
    const hint = isString(node) ? `write a list: ["${node.value}"]` : undefined
    return refuse(place, node.mark, 'config can only be a hash or an array', hint)
  }
  if (node.kind === 'map' && node.entries.size === 0) {
    return refuse(place, node.mark, 'config can not be an empty hash')
  }
  const items = node.kind === 'list' ? flat(node.items) : [node]
  const numeric = items.find(item => {
    const parallel = child(item, 'parallel')
    return parallel?.kind === 'scalar' && typeof parallel.value === 'number'
  })
  if (numeric) return refuse(place, numeric.mark, 'config cannot use "parallel: <number>".')
  const needs = items.flatMap(item => readNeed(under(place, 'need'), item) ?? [])
  const extra = needs.find(need => !allowed.includes(need.kind))
  if (extra) refuse(place, extra.mark, `config uses invalid types: ${typeNames[extra.kind]}`)
  const cross = needs.filter(need => need.kind === 'cross' && need.pipeline !== undefined)
  if (cross.length > maxCrossPipeline) {
    refuse(place, cross[0]!.mark, `config must be less than or equal to ${maxCrossPipeline}`)
  }
  return needs.filter(need => allowed.includes(need.kind))
}

function flat(items: readonly Node[]): Node[] {
  return items.flatMap(item => (item.kind === 'list' ? flat(item.items) : [item]))
}

function readNeed(place: Place, node: Node): NeedEntry | undefined {
  if (isString(node)) {
    if (isBlank(node)) return refuse(place, node.mark, "config can't be blank")
    return { kind: 'job', job: node.value, artifacts: true, optional: false, mark: node.mark }
  }
  if (node.kind !== 'map') return refuse(place, node.mark, 'has an unsupported type')
  const has = (key: string) => node.entries.has(key)
  if (has('job') && !has('project') && !has('ref') && !has('pipeline')) {
    return readJobNeed(place, node)
  }
  if (has('job') && (has('pipeline') || has('project'))) return readCrossNeed(place, node)
  if (has('pipeline')) return readBridgeNeed(place, node)
  return refuse(place, node.mark, 'has an unsupported type', 'a need names a `job`')
}

function readJobNeed(place: Place, map: MapNode): NeedEntry | undefined {
  onlyKeys(place, map, ['job', 'artifacts', 'optional', 'parallel'])
  const job = requiredString(place, map, 'job')
  const parallelNode = child(map, 'parallel')
  const parallel =
    parallelNode && readParallel(under(place, 'parallel'), parallelNode, { numeric: false })
  const artifacts = readBoolean(place, child(map, 'artifacts'), 'artifacts') ?? true
  const optional = readBoolean(place, child(map, 'optional'), 'optional') ?? false
  if (job === undefined) return undefined
  return {
    kind: 'job',
    job,
    artifacts,
    optional,
    ...(parallel?.kind === 'matrix' && { parallel }),
    mark: map.mark,
  }
}

function readCrossNeed(place: Place, map: MapNode): NeedEntry | undefined {
  const isProject = map.entries.has('project')
  onlyKeys(
    place,
    map,
    isProject
      ? ['project', 'ref', 'job', 'artifacts']
      : ['pipeline', 'job', 'artifacts', 'optional'],
  )
  const job = requiredString(place, map, 'job')
  const target = requiredString(place, map, isProject ? 'project' : 'pipeline')
  const ref = isProject ? requiredString(place, map, 'ref') : undefined
  const artifacts = readBoolean(place, child(map, 'artifacts'), 'artifacts') ?? true
  const optional = readBoolean(place, child(map, 'optional'), 'optional')
  if (job === undefined || target === undefined) return undefined
  return {
    kind: 'cross',
    job,
    artifacts,
    ...(isProject ? { project: target, ref } : { pipeline: target }),
    ...(optional !== undefined && { optional }),
    mark: map.mark,
  }
}

function readBridgeNeed(place: Place, map: MapNode): NeedEntry | undefined {
  onlyKeys(place, map, ['pipeline'])
  const pipeline = requiredString(place, map, 'pipeline')
  return pipeline === undefined ? undefined : { kind: 'bridge', pipeline, mark: map.mark }
}

function requiredString(place: Place, map: MapNode, key: string): string | undefined {
  const node = child(map, key)
  if (isBlank(node)) return refuse(place, map.mark, `${key} can't be blank`)
  return readString(place, node, key)
}
