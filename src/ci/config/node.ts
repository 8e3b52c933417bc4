/**
 * Configuration values with the place that each came from. Nodes are immutable and may be shared (aliases, extends):
 * a tree is a DAG, so whatever walks one must expect to meet a node twice.
 */

/** One file's text, as far as places need it. */
export interface SourceFile {
  readonly name: string
  /** Offset of each line's first character. */
  readonly lineStarts: readonly number[]
}

export interface Mark {
  readonly file: SourceFile
  readonly offset: number
}

export type ScalarType = 'string' | 'integer' | 'float' | 'boolean' | 'null' | 'symbol'

export interface ScalarNode {
  readonly kind: 'scalar'
  readonly type: ScalarType
  readonly value: string | number | boolean | null
  /** As Ruby prints it: what a variable of this value gets. */
  readonly text: string
  readonly mark: Mark
}

export interface ListNode {
  readonly kind: 'list'
  readonly items: readonly Node[]
  readonly mark: Mark
}

export interface Entry {
  readonly value: Node
  /** The key's place. */
  readonly mark: Mark
  /** Set unless the key is a string. */
  readonly keyType?: ScalarType
}

export interface MapNode {
  readonly kind: 'map'
  readonly entries: ReadonlyMap<string, Entry>
  readonly mark: Mark
}

/** `!reference [a, b]`, opaque until it is resolved. */
export interface ReferenceNode {
  readonly kind: 'reference'
  readonly path: readonly (string | number)[]
  readonly mark: Mark
}

export type Node = ScalarNode | ListNode | MapNode | ReferenceNode

/** 1-based line and column of a mark. */
export function placeOf(mark: Mark): { file: string; line: number; column: number } {
  const starts = mark.file.lineStarts
  let low = 0
  let high = starts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (starts[middle]! <= mark.offset) low = middle
    else high = middle - 1
  }
  return { file: mark.file.name, line: low + 1, column: mark.offset - (starts[low] ?? 0) + 1 }
}

/** Offsets of the line starts of a text. */
export function sourceFile(name: string, text: string): SourceFile {
  const lineStarts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) {
    lineStarts.push(at + 1)
  }
  return { name, lineStarts }
}

export function isNull(node: Node | undefined): boolean {
  return node === undefined || (node.kind === 'scalar' && node.value === null)
}

export function isString(node: Node | undefined): node is ScalarNode & { value: string } {
  return node?.kind === 'scalar' && (node.type === 'string' || node.type === 'symbol')
}

/** The value under a key; a key that holds null counts as absent, as everywhere in GitLab. */
export function child(node: Node | undefined, key: string): Node | undefined {
  if (node?.kind !== 'map') return undefined
  const value = node.entries.get(key)?.value
  return isNull(value) ? undefined : value
}

/** Where a key stands, or the map itself when the key isn't there. */
export function markOf(node: MapNode, key: string): Mark {
  return node.entries.get(key)?.mark ?? node.mark
}

export function stringNode(text: string, mark: Mark): ScalarNode {
  return { kind: 'scalar', type: 'string', value: text, text, mark }
}

/** A plain JSON value. Keys are own properties whatever their name (`__proto__` too). */
export function toPlain(node: Node): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value
    case 'list':
      return node.items.map(toPlain)
    case 'map':
      return Object.fromEntries([...node.entries].map(([key, one]) => [key, toPlain(one.value)]))
    case 'reference':
      return `!reference ${referenceText(node)}`
  }
}

/** `["a", "b"]`, as GitLab prints it in messages. */
export function referenceText(node: ReferenceNode): string {
  return `[${node.path.map(part => JSON.stringify(part)).join(', ')}]`
}
