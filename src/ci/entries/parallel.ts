import type { MapNode, Mark, Node } from '../config/node.ts'
import { isBlank, onlyKeys, type Place, refuse, under } from './kit.ts'

export type ParallelEntry =
  | { kind: 'number'; total: number; mark: Mark }
  | { kind: 'matrix'; matrix: ReadonlyMap<string, string[]>[]; mark: Mark }

const limit = 200

/** `parallel:`, a number or `{ matrix: […] }`. */
export function readParallel(
  place: Place,
  node: Node,
  options: { numeric: boolean } = { numeric: true },
): ParallelEntry | undefined {
  if (node.kind === 'scalar' && typeof node.value === 'number') {
    return readNumber(place, node.value, node.type === 'integer', node.mark, options.numeric)
  }
  if (node.kind !== 'map') return refuse(place, node.mark, 'should be an integer or a hash')
  onlyKeys(place, node, ['matrix'])
  const matrix = node.entries.get('matrix')?.value
  if (matrix === undefined) {
    return refuse(place, node.mark, 'config missing required keys: matrix')
  }
  return readMatrix(under(place, 'matrix'), matrix)
}

function readNumber(
  place: Place,
  total: number,
  isWhole: boolean,
  mark: Mark,
  isAllowed: boolean,
): ParallelEntry | undefined {
  if (!isWhole) return refuse(place, mark, 'config must be an integer')
  if (total < 1) return refuse(place, mark, 'config must be greater than or equal to 1')
  if (total > limit) return refuse(place, mark, `config must be less than or equal to ${limit}`)
  if (!isAllowed) return refuse(place, mark, 'config cannot use "parallel: <number>".')
  return { kind: 'number', total, mark }
}

function readMatrix(place: Place, node: Node): ParallelEntry | undefined {
  if (node.kind !== 'list' || node.items.some(item => item.kind !== 'map')) {
    return refuse(place, node.mark, 'config should be an array of hashes')
  }
  const matrix: ReadonlyMap<string, string[]>[] = []
  for (const item of node.items) {
    const row = readRow(under(place, 'variables'), item as MapNode)
    if (!row) return undefined
    matrix.push(row)
  }
  const total = matrix.reduce(
    (sum, row) => sum + [...row.values()].reduce((product, values) => product * values.length, 1),
    0,
  )
  if (total > limit) {
    return refuse(
      place,
      node.mark,
      `config generates too many jobs (maximum is ${limit})`,
      `it generates ${total}`,
    )
  }
  return { kind: 'matrix', matrix, mark: node.mark }
}

function readRow(place: Place, map: MapNode): ReadonlyMap<string, string[]> | undefined {
  if (map.entries.size === 0) return refuse(place, map.mark, 'config requires at least 1 items')
  const row = new Map<string, string[]>()
  for (const [name, entry] of map.entries) {
    const items = entry.value.kind === 'list' ? entry.value.items : [entry.value]
    const wrong = items.find(item => !isAlphanumeric(item))
    if (wrong || (items.length === 0 && isBlank(entry.value))) {
      return refuse(
        { ...place, location: place.location },
        wrong?.mark ?? entry.mark,
        'config should be a hash of key value pairs, value can be an array',
        'values are strings or whole numbers: quote others',
      )
    }
    row.set(
      name,
      items.map(item => (item as { text: string }).text),
    )
  }
  return row
}

function isAlphanumeric(node: Node): boolean {
  return (
    node.kind === 'scalar' &&
    (node.type === 'string' || node.type === 'symbol' || node.type === 'integer')
  )
}

/** The variables of each job that a matrix makes, in order: the last key varies fastest. */
export function matrixRows(
  matrix: readonly ReadonlyMap<string, string[]>[],
): Map<string, string>[] {
  return matrix.flatMap(row => {
    let combinations: Map<string, string>[] = [new Map()]
    for (const [name, values] of row) {
      combinations = combinations.flatMap(before =>
        values.map(value => new Map([...before, [name, value]])),
      )
    }
    return combinations
  })
}

/** `build: [linux, x64]`. */
export function matrixName(base: string, row: ReadonlyMap<string, string>): string {
  return `${base}: [${[...row.values()].join(', ')}]`
}
