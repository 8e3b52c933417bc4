import { stringify } from 'yaml'
import { type MapNode, type Node, toPlain } from '../config/node.ts'

/** Types of YAML 1.1 that a map or a set would turn into. */
const unwanted = new Set([
  'tag:yaml.org,2002:omap',
  'tag:yaml.org,2002:pairs',
  'tag:yaml.org,2002:set',
])

/** The configuration as YAML that reads back as the same (YAML 1.1 words are quoted, no aliases). */
export function printYaml(root: MapNode): string {
  return stringify(printable(root), {
    version: '1.1',
    lineWidth: 0,
    aliasDuplicateObjects: false,
    customTags: tags => tags.filter(tag => typeof tag === 'string' || !unwanted.has(tag.tag)),
  })
}

/** Maps stay maps, so that keys like `10` keep their place. */
function printable(node: Node): unknown {
  if (node.kind === 'map') {
    return new Map([...node.entries].map(([key, entry]) => [key, printable(entry.value)]))
  }
  return node.kind === 'list' ? node.items.map(printable) : toPlain(node)
}
