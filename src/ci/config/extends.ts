import { deepMerge } from './merge.ts'
import { isString, type MapNode, markOf, type Node } from './node.ts'
import { didYouMean, type Reporter } from './problems.ts'

/** Levels of `extends`, the job itself included. */
const maxDepth = 10

/** Replaces every entry that has `extends` by its bases merged under it. Reports what can't be extended and leaves such an entry as it is. */
export function applyExtends(root: MapNode, report: Reporter): MapNode {
  const done = new Map<string, MapNode>()
  const open = new Set<string>()

  const extended = (name: string, node: MapNode): MapNode => {
    const before = done.get(name)
    if (before) return before
    const bases = basesOf(name, node, root, report)
    if (bases.length === 0) return finish(name, node)
    const mark = markOf(node, 'extends')
    if (open.size > maxDepth) {
      report.error(mark, `${name}: nesting too deep in \`extends\``, { job: name })
      return finish(name, node)
    }
    open.add(name)
    let result: MapNode = { kind: 'map', entries: new Map(), mark: node.mark }
    for (const base of bases) {
      if (open.has(base.name)) {
        report.error(mark, `${name}: circular dependency detected in \`extends\``, {
          job: name,
          hint: `\`${base.name}\` extends \`${name}\` again, directly or through others`,
        })
        continue
      }
      result = deepMerge(result, extended(base.name, base.node))
    }
    open.delete(name)
    return finish(name, deepMerge(result, node))
  }

  const finish = (name: string, node: MapNode): MapNode => {
    done.set(name, node)
    return node
  }

  const entries = new Map(root.entries)
  for (const [name, entry] of root.entries) {
    if (entry.value.kind !== 'map' || !entry.value.entries.has('extends')) continue
    entries.set(name, { ...entry, value: extended(name, entry.value) })
  }
  return { ...root, entries }
}

function basesOf(
  name: string,
  node: MapNode,
  root: MapNode,
  report: Reporter,
): { name: string; node: MapNode }[] {
  const value = node.entries.get('extends')?.value
  const names = baseNames(value)
  if (names === undefined) {
    if (value && !(value.kind === 'scalar' && value.value === null)) {
      report.error(
        markOf(node, 'extends'),
        `jobs:${name} extends should be an array of strings or a string`.toLowerCase(),
        { job: name, hint: '`extends` runs before `!reference`: write the names themselves' },
      )
    }
    return []
  }
  const unknown = names.filter(base => !root.entries.has(base))
  if (unknown.length > 0) {
    report.error(
      markOf(node, 'extends'),
      `${name}: unknown keys in \`extends\` (${unknown.join(', ')})`,
      { job: name, hint: didYouMean(unknown[0]!, root.entries.keys()) },
    )
  }
  const invalid = names.filter(
    base => root.entries.has(base) && root.entries.get(base)!.value.kind !== 'map',
  )
  if (invalid.length > 0) {
    report.error(
      markOf(node, 'extends'),
      `${name}: invalid base hashes in \`extends\` (${invalid.join(', ')})`,
      { job: name },
    )
  }
  return names.flatMap(base => {
    const target = root.entries.get(base)?.value
    return target?.kind === 'map' ? [{ name: base, node: target }] : []
  })
}

function baseNames(value: Node | undefined): string[] | undefined {
  if (isString(value)) return [value.value]
  if (value?.kind !== 'list' || !value.items.every(isString)) return undefined
  return value.items.map(item => item.value)
}
