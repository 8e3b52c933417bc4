import { isString, type Node } from '../config/node.ts'
import { type Place, refuse, shapeHint } from './kit.ts'

const maxLevels = 10

/** Commands: a string, or strings nested up to ten lists deep, flattened. Undefined after a problem. */
export function readCommands(place: Place, node: Node): string[] | undefined {
  const commands: string[] = []
  const wrong = collect(node, commands, maxLevels)
  if (!wrong) return commands
  return refuse(
    place,
    wrong.mark,
    `config should be a string or a nested array of strings up to ${maxLevels} levels deep`,
    shapeHint(wrong),
  )
}

/** Stage names, nested likewise; a bare string isn't one. */
export function readNestedStrings(place: Place, node: Node): string[] | undefined {
  const names: string[] = []
  const wrong = node.kind === 'list' ? collect(node, names, maxLevels) : node
  if (!wrong) return names
  return refuse(
    place,
    wrong.mark,
    `config should be an array of strings or a nested array of strings up to ${maxLevels} levels deep`,
    shapeHint(wrong),
  )
}

/** Collects strings in order; gives the first node that isn't one. */
function collect(node: Node, into: string[], levels: number): Node | undefined {
  if (isString(node)) {
    into.push(node.value)
    return undefined
  }
  if (node.kind !== 'list' || levels <= 0) return node
  for (const item of node.items) {
    const wrong = collect(item, into, levels - 1)
    if (wrong) return wrong
  }
  return undefined
}
