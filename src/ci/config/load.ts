/** One file: parse, header, inputs, interpolation, and then its own includes. */

import { expandIncludes, type FileOrigin, type LoadSession } from './include.ts'
import { bindInputs, type Inputs } from './inputs.ts'
import { interpolate } from './interpolate.ts'
import { child, isNull, isString, type MapNode, type Mark, type Node } from './node.ts'
import { didYouMean, Refusal } from './problems.ts'
import { parseYaml } from './yaml.ts'

const specKeys = ['inputs', 'include', 'component', 'description']
const componentKeys = ['name', 'sha', 'version', 'reference']

/** Throws `Refusal`; `includedAt` is the place in the including file (for the root file: its own start). */
export async function loadFile(
  text: string,
  origin: FileOrigin,
  given: Record<string, unknown>,
  includedAt: Mark,
  session: LoadSession,
): Promise<MapNode> {
  const { documents, remarks } = parseYaml(origin.name, text)
  for (const one of remarks) session.report.warn(one.mark, one.message, { hint: one.hint })
  const [first, second] = documents
  const hasHeader = second !== undefined && first?.kind === 'map' && first.entries.has('spec')
  const content = hasHeader ? second : first
  if (second !== undefined && !hasHeader) {
    session.report.warn(second.mark, 'the second document is ignored', {
      hint: 'only a first document with `spec` may stand before the configuration',
    })
  }
  if (content?.kind !== 'map') throw notAMap(content, origin, includedAt, session)
  if (!hasHeader) {
    const spec = content.entries.get('spec')
    if (spec && documents.length === 1) {
      throw new Refusal(
        '`spec` belongs into a header of its own',
        spec.mark,
        'put a line `---` between `spec` and the configuration',
      )
    }
    if (Object.keys(given).length > 0) {
      throw new Refusal(
        'Given inputs not defined in the `spec` section of the included configuration file',
        includedAt,
      )
    }
    return expandIncludes(content, origin, session)
  }
  const header = await readHeader(first, origin, session)
  const inputs = bindInputs(header.inputs, given, includedAt, session.report)
  const usable: Inputs = inputs ?? new Map()
  if (!inputs) throw new Refusal('', includedAt)
  const component = new Map(
    [...(origin.component ?? [])].filter(([key]) => header.component.includes(key)),
  )
  const filled = interpolate(content, { inputs: usable, component, variables: session.scope })
  return expandIncludes(filled, origin, session)
}

function notAMap(
  content: Node | undefined,
  origin: FileOrigin,
  includedAt: Mark,
  session: LoadSession,
): Refusal {
  const mark = content?.mark ?? includedAt
  if (session.included === 0) {
    return new Refusal(
      'Invalid configuration format',
      mark,
      'the file holds a mapping of global keywords and jobs',
    )
  }
  const text = isNull(content) ? 'does not have valid YAML syntax!' : 'Invalid configuration format'
  return isNull(content)
    ? new Refusal(`Included file \`${origin.name}\` ${text}`, includedAt)
    : new Refusal(`\`${origin.name}\`: ${text}`, mark)
}

interface Header {
  inputs: MapNode
  component: string[]
}

async function readHeader(
  document: MapNode,
  origin: FileOrigin,
  session: LoadSession,
): Promise<Header> {
  onlyKeys(document, ['spec'], 'header')
  const empty: MapNode = { kind: 'map', entries: new Map(), mark: document.mark }
  const spec = child(document, 'spec')
  if (spec === undefined) return { inputs: empty, component: [] }
  if (spec.kind !== 'map') throw new Refusal('header:spec config should be a hash', spec.mark)
  onlyKeys(spec, specKeys, 'header:spec')
  const description = child(spec, 'description')
  if (description && (!isString(description) || description.value.length > 256)) {
    throw new Refusal(
      'header:spec config description is too long (maximum is 256 characters)',
      description.mark,
    )
  }
  const inputs = child(spec, 'inputs')
  if (inputs && inputs.kind !== 'map') {
    throw new Refusal('header:spec:inputs config should be a hash', inputs.mark)
  }
  const own = inputs?.kind === 'map' ? inputs : empty
  const included = await includedInputs(child(spec, 'include'), origin, session)
  for (const [name, entry] of own.entries) {
    if (included.has(name)) {
      throw new Refusal(
        `Duplicate input keys found: ${name}. Input keys must be unique across all included files and inline specifications.`,
        entry.mark,
      )
    }
  }
  return {
    inputs: { ...own, entries: new Map([...included, ...own.entries]) },
    component: componentOf(child(spec, 'component')),
  }
}

/** `spec:include`: files that hold nothing but `inputs`. */
async function includedInputs(
  node: Node | undefined,
  origin: FileOrigin,
  session: LoadSession,
): Promise<MapNode['entries']> {
  if (!node) return new Map()
  const entries = new Map([['include', { value: node, mark: node.mark }]])
  const merged = await expandIncludes({ kind: 'map', entries, mark: node.mark }, origin, session)
  const unknown = [...merged.entries.keys()].filter(key => key !== 'inputs')
  if (unknown.length > 0) {
    throw new Refusal(`Header include file contains unknown keys: ${unknown.join(', ')}`, node.mark)
  }
  const inputs = child(merged, 'inputs')
  return inputs?.kind === 'map' ? inputs.entries : new Map()
}

function componentOf(node: Node | undefined): string[] {
  if (!node) return []
  const names = node.kind === 'list' && node.items.every(isString) ? node.items : undefined
  if (!names)
    throw new Refusal('header:spec:component config should be an array of strings', node.mark)
  const unknown = names.find(one => !componentKeys.includes(one.value))
  if (unknown) {
    throw new Refusal(
      `header:spec:component config contains unknown values: ${unknown.value}`,
      unknown.mark,
      didYouMean(unknown.value, componentKeys),
    )
  }
  return names.map(one => one.value)
}

function onlyKeys(map: MapNode, allowed: readonly string[], location: string): void {
  const unknown = [...map.entries].filter(([key]) => !allowed.includes(key))
  if (unknown.length === 0) return
  const names = unknown.map(([key]) => key).join(', ')
  throw new Refusal(
    `${location} config contains unknown keys: ${names}`,
    unknown[0]![1].mark,
    didYouMean(unknown[0]![0], allowed),
  )
}
