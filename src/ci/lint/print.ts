import { Scalar, stringify } from 'yaml'
import { isString, type MapNode, type Node, toPlain } from '../config/node.ts'
import { scanPlain } from '../config/scalars.ts'

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
    return new Map(
      [...node.entries].map(([key, entry]) => [
        entry.keyType === undefined ? quoted(key) : key,
        printable(entry.value),
      ]),
    )
  }
  if (node.kind === 'list') return node.items.map(printable)
  return isString(node) ? quoted(node.value) : toPlain(node)
}

/** In quotes, if GitLab would read the bare text as something else. */
function quoted(text: string): unknown {
  const scanned = scanPlain(text)
  if (!('refused' in scanned) && scanned.type === 'string') return text
  const scalar = new Scalar(text)
  scalar.type = 'QUOTE_DOUBLE'
  return scalar
}
