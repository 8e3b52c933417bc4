/** `$[[ inputs.name | function ]]` in keys and values. */
import type { VariableScope } from '../decide/variables.ts'
import type { Inputs, InputValue } from './inputs.ts'
import type { Entry, ListNode, MapNode, Mark, Node, ReferenceNode } from './node.ts'
import { isString, stringNode } from './node.ts'
import { didYouMean, Refusal } from './problems.ts'

export interface InterpolationContext {
  inputs: Inputs
  /** `name`, `sha`, `version`, `reference`, as far as `spec:component` asks for them. */
  component: ReadonlyMap<string, string>
  variables: VariableScope
}

const maxBlocks = 10_000
const maxFunctions = 3
const maxNodeSize = 1024 * 1024
const maxBlockLength = 1024

interface Block {
  start: number
  end: number
  content: string
}

/** Replaces all blocks. Throws `Refusal` at the first that can't be. */
export function interpolate(root: MapNode, context: InterpolationContext): MapNode {
  const values = new Map<string, InputValue>()
  const done = new Map<Node, Node>()

  const blockValue = (content: string, mark: Mark): InputValue => {
    const known = values.get(content)
    if (known !== undefined) return known
    if (values.size >= maxBlocks) throw new Refusal('too many interpolation blocks', mark)
    const value = evaluateBlock(content, context, mark)
    values.set(content, value)
    return value
  }

  const text = (source: string, mark: Mark): InputValue => {
    if (source.length > maxNodeSize) throw new Refusal('config node too large', mark)
    const blocks = blocksOf(source).filter(block => !/^matrix\b/.test(block.content))
    if (blocks.length === 0) return source
    const [only] = blocks
    if (blocks.length === 1 && only!.start === 0 && only!.end === source.length) {
      return blockValue(only!.content, mark)
    }
    const parts: string[] = []
    let from = 0
    let size = 0
    for (const block of blocks) {
      const value = rendered(blockValue(block.content, mark))
      size += value.length
      if (size > maxNodeSize) throw new Refusal('config node too large', mark)
      parts.push(source.slice(from, block.start), value)
      from = block.end
    }
    return parts.join('') + source.slice(from)
  }

  const replace = (node: Node): Node => {
    if (node.kind === 'scalar') {
      if (!isString(node) || !node.value.includes('$[[')) return node
      const value = text(node.value, node.mark)
      return value === node.value ? node : fromPlain(value, node.mark)
    }
    const before = done.get(node)
    if (before) return before
    const result =
      node.kind === 'map' ? mapOf(node) : node.kind === 'list' ? listOf(node) : referenceOf(node)
    done.set(node, result)
    return result
  }

  const mapOf = (map: MapNode): MapNode => {
    const entries = new Map<string, Entry>()
    for (const [key, entry] of map.entries) {
      const name = key.includes('$[[') ? rendered(text(key, entry.mark)) : key
      entries.set(name, { ...entry, value: replace(entry.value) })
    }
    return { ...map, entries }
  }

  const listOf = (list: ListNode): ListNode => ({
    ...list,
    items: list.items.flatMap(item => {
      const value = replace(item)
      return value !== item && item.kind === 'scalar' && value.kind === 'list'
        ? value.items
        : [value]
    }),
  })

  const referenceOf = (node: ReferenceNode): ReferenceNode => ({
    ...node,
    path: node.path.map(part =>
      typeof part === 'string' ? rendered(text(part, node.mark)) : part,
    ),
  })

  return replace(root) as MapNode
}

/** Blocks of one line each; in linear time, however many openings there are. */
function blocksOf(source: string): Block[] {
  const blocks: Block[] = []
  let close = -1
  for (let start = source.indexOf('$[['); start !== -1; ) {
    if (close < start + 3) close = source.indexOf(']]', start + 3)
    if (close === -1) break
    const content = source.slice(start + 3, Math.min(close, start + 3 + maxBlockLength))
    const isBlock =
      close - start <= maxBlockLength && !content.includes('\n') && content.trim() !== ''
    if (isBlock) blocks.push({ start, end: close + 2, content: content.trim() })
    start = source.indexOf('$[[', isBlock ? close + 2 : start + 3)
  }
  return blocks
}

function rendered(value: InputValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** A value as nodes that all stand at the same place. */
export function fromPlain(value: unknown, mark: Mark): Node {
  if (typeof value === 'string') return stringNode(value, mark)
  if (Array.isArray(value)) {
    return { kind: 'list', items: value.map(item => fromPlain(item, mark)), mark }
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(
      ([key, one]) => [key, { value: fromPlain(one, mark), mark }] as const,
    )
    return { kind: 'map', entries: new Map(entries), mark }
  }
  if (typeof value === 'number') {
    const type = Number.isInteger(value) ? 'integer' : 'float'
    return { kind: 'scalar', type, value, text: String(value), mark }
  }
  if (typeof value === 'boolean') {
    return { kind: 'scalar', type: 'boolean', value, text: String(value), mark }
  }
  return { kind: 'scalar', type: 'null', value: null, text: '', mark }
}

function evaluateBlock(content: string, context: InterpolationContext, mark: Mark): InputValue {
  const [access = '', ...functions] = content.split('|').map(part => part.trim())
  if (functions.length > maxFunctions) {
    throw new Refusal('too many functions in interpolation block', mark, `at most ${maxFunctions}`)
  }
  return functions.reduce<InputValue>(
    (value, call) => applyFunction(call, value, context, mark),
    accessValue(access, context, mark),
  )
}

function accessValue(access: string, context: InterpolationContext, mark: Mark): InputValue {
  const [, source, name, indexes] = /^(\w+)\.([\w-]+)((?:\[\d+\])*)$/.exec(access) ?? []
  if (source === undefined || name === undefined) {
    throw new Refusal(
      'invalid pattern used for interpolation. valid pattern is $[[ inputs.input ]]',
      mark,
      `\`${access}\` is none`,
    )
  }
  const values =
    source === 'inputs' ? context.inputs : source === 'component' ? context.component : undefined
  if (!values) throw new Refusal(`unknown interpolation key: \`${source}\``, mark)
  let value: unknown = values.get(name)
  if (value === undefined) {
    throw new Refusal(
      `unknown interpolation key: \`${name}\``,
      mark,
      didYouMean(name, values.keys()) ??
        'inputs are declared under `spec:inputs` in the header of the same file',
    )
  }
  for (const [, index] of (indexes ?? '').matchAll(/\[(\d+)\]/g)) {
    if (!Array.isArray(value)) {
      throw new Refusal(`cannot index into non-array value at [${index}] in \`${access}\``, mark)
    }
    if (Number(index) >= value.length) {
      throw new Refusal(
        `array index ${index} out of bounds (size: ${value.length}) in \`${access}\``,
        mark,
      )
    }
    value = value[Number(index)]
  }
  return value as InputValue
}

const functionNames = ['expand_vars', 'truncate', 'posix_escape', 'posix_quote', 'split']

function applyFunction(
  call: string,
  value: InputValue,
  context: InterpolationContext,
  mark: Mark,
): InputValue {
  const [, name = '', args] = /^(\w+)(?:\((.*)\))?$/s.exec(call) ?? []
  const text = () => {
    if (typeof value === 'string') return value
    const start = name === 'split' ? '' : 'invalid input type: '
    throw new Refusal(`${start}${name} can only be used with string inputs`, mark)
  }
  const truncate = /^\s*(\d+)\s*,\s*(\d+)\s*$/.exec(args ?? '')
  if (name === 'truncate' && truncate) {
    const offset = Number(truncate[1])
    return text().slice(offset, offset + Number(truncate[2]))
  }
  const separator = /^\s*(?:'([^']+)'|"([^"]+)")\s*$/.exec(args ?? '')
  if (name === 'split' && separator) {
    const parts = text().split(separator[1] ?? separator[2]!)
    return parts.map(part => part.trim()).filter(part => part !== '')
  }
  if (name === 'expand_vars' && args === undefined) return expandVars(text(), context, mark)
  if (name === 'posix_escape' && args === undefined) return shellEscape(text())
  if (name === 'posix_quote' && args === undefined) return `'${text().replaceAll("'", "'\\''")}'`
  throw new Refusal(
    `no function matching \`${call}\`: check that the function name, arguments, and types are correct`,
    mark,
    didYouMean(name, functionNames),
  )
}

/** One level; never a masked value. */
function expandVars(text: string, { variables }: InterpolationContext, mark: Mark): string {
  return text.replace(/\$\$|\$(?:(\w+)|\{(\w+)\})/g, (found, bare, braced) => {
    const name: string | undefined = bare ?? braced
    const variable = name === undefined ? undefined : variables.get(name)
    if (!variable) return found
    if (variable.masked) {
      throw new Refusal(`variable expansion error: masked variables cannot be expanded`, mark)
    }
    return variable.value
  })
}

/** Ruby's `Shellwords.shellescape`. */
function shellEscape(text: string): string {
  if (text === '') return "''"
  return text.replace(/[^A-Za-z0-9_\-.,:+/@\n]/g, '\\$&').replaceAll('\n', "'\n'")
}
