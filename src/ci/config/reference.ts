import {
  type Entry,
  isNull,
  type ListNode,
  type MapNode,
  type Node,
  type ReferenceNode,
  referenceText,
} from './node.ts'
import { Refusal } from './problems.ts'

/** Values that all references together may add: a chain of them can double at each step. */
const maxNodes = 500_000

/** Replaces every `!reference [a, b]` by what stands at `a.b` of the merged configuration. Throws `Refusal`. */
export function resolveReferences(root: MapNode): MapNode {
  const resolved = new Map<Node, { node: Node; count: number }>()
  const open = new Set<Node>()

  const resolve = (node: Node): { node: Node; count: number } => {
    if (node.kind === 'scalar') return { node, count: 1 }
    const before = resolved.get(node)
    if (before) return before
    if (open.has(node)) throw circular(node)
    open.add(node)
    const result =
      node.kind === 'reference'
        ? resolve(target(node, root, resolve))
        : node.kind === 'list'
          ? resolveList(node, resolve)
          : resolveMap(node, resolve)
    open.delete(node)
    if (result.count > maxNodes) throw new Refusal('The parsed YAML is too big', node.mark)
    resolved.set(node, result)
    return result
  }

  return resolveMap(root, resolve).node as MapNode
}

type Resolve = (node: Node) => { node: Node; count: number }

function resolveList(list: ListNode, resolve: Resolve): { node: Node; count: number } {
  let count = 1
  let isChanged = false
  const items = list.items.map(item => {
    const result = resolve(item)
    count += result.count
    if (result.node !== item) isChanged = true
    return result.node
  })
  return { node: isChanged ? { ...list, items } : list, count }
}

function resolveMap(map: MapNode, resolve: Resolve): { node: Node; count: number } {
  let count = 1
  let changed: Map<string, Entry> | undefined
  for (const [key, entry] of map.entries) {
    const result = resolve(entry.value)
    count += result.count
    if (result.node === entry.value) continue
    changed ??= new Map(map.entries)
    changed.set(key, { ...entry, value: result.node })
  }
  return { node: changed ? { ...map, entries: changed } : map, count }
}

function target(reference: ReferenceNode, root: MapNode, resolve: Resolve): Node {
  let node: Node | undefined = root
  for (const part of reference.path) {
    if (node?.kind === 'reference') node = resolve(node).node
    if (node?.kind === 'map') node = node.entries.get(String(part))?.value
    else if (node?.kind === 'list') node = node.items[Number(part)]
    else node = undefined
  }
  if (node === undefined || isNull(node)) {
    throw new Refusal(
      `!reference ${referenceText(reference)} could not be found`,
      reference.mark,
      'it names a key path in the merged configuration, anchors and `extends` applied',
    )
  }
  return node
}

function circular(node: Node): Refusal {
  const text = node.kind === 'reference' ? `!reference ${referenceText(node)}` : '!reference'
  return new Refusal(`${text} is part of a circular chain`, node.mark)
}
