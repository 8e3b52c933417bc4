import type { Entry, MapNode, Node } from './node.ts'

/** GitLab's deep merge: mappings merge key by key; of any other pair the later value replaces, null and lists too. */
export function deepMerge(base: MapNode, over: MapNode): MapNode {
  if (base.entries.size === 0) return over
  if (over.entries.size === 0) return base
  const entries = new Map<string, Entry>(base.entries)
  for (const [key, entry] of over.entries) {
    const before = entries.get(key)
    const value = before ? mergeValues(before.value, entry.value) : entry.value
    entries.set(key, value === entry.value ? entry : { ...entry, value })
  }
  return { kind: 'map', entries, mark: over.mark }
}

function mergeValues(before: Node, after: Node): Node {
  return before.kind === 'map' && after.kind === 'map' ? deepMerge(before, after) : after
}
