/** YAML text → nodes, as GitLab's loader reads it. */
import {
  type Document,
  isAlias,
  isScalar,
  isSeq,
  type Pair,
  parseAllDocuments,
  type YAMLMap,
  type YAMLSeq,
  type Alias as YamlAlias,
  type Node as YamlNode,
  type Scalar as YamlScalar,
} from 'yaml'
import {
  type Entry,
  type ListNode,
  type MapNode,
  type Mark,
  type Node,
  type ReferenceNode,
  type ScalarType,
  type SourceFile,
  sourceFile,
} from './node.ts'
import { Refusal } from './problems.ts'
import { scanPlain } from './scalars.ts'
import { syntaxRefusal } from './yaml-syntax.ts'

export interface YamlLimits {
  /** Of one file's text, in characters. */
  maxSize: number
  maxDepth: number
  /** Values after aliases are followed, of one document. */
  maxNodes: number
}

export const defaultYamlLimits: YamlLimits = {
  maxSize: 2 * 1024 * 1024,
  maxDepth: 100,
  maxNodes: 500_000,
}

export interface ParsedYaml {
  readonly documents: readonly Node[]
  /** Things that GitLab lets pass silently. */
  readonly remarks: readonly { mark: Mark; message: string; hint: string }[]
}

/** Parses a file of one or two documents. Throws `Refusal` with the first problem. */
export function parseYaml(name: string, text: string, limits = defaultYamlLimits): ParsedYaml {
  const file = sourceFile(name, text.length > limits.maxSize ? '' : text)
  const start: Mark = { file, offset: 0 }
  if (text.length > limits.maxSize) {
    throw new Refusal(
      'The provided YAML is too big',
      start,
      `the limit is ${limits.maxSize} characters a file`,
    )
  }
  const deep = tooDeepAt(text, limits)
  if (deep !== undefined)
    throw new Refusal('The parsed YAML is too big', { file, offset: deep }, deepHint)
  const documents = composed(text, start)
  if (documents.length > 2) {
    const third = documents[2]!.range?.[0] ?? 0
    throw new Refusal('The parsed YAML has too many documents', { file, offset: third })
  }
  const remarks: ParsedYaml['remarks'][number][] = []
  const nodes = documents.map(document => {
    const problem = document.errors[0]
    if (problem) throw syntaxRefusal(problem, text, file)
    return new Converter(file, limits, remarks).document(document)
  })
  return { documents: nodes, remarks }
}

function composed(text: string, start: Mark): Document.Parsed[] {
  try {
    const parsed = parseAllDocuments(text, {
      schema: 'failsafe',
      version: '1.1',
      uniqueKeys: false,
      prettyErrors: false,
      logLevel: 'silent',
    })
    return Array.isArray(parsed) ? (parsed as Document.Parsed[]) : []
  } catch (error) {
    if (error instanceof RangeError) throw new Refusal('The parsed YAML is too big', start)
    throw error
  }
}

const deepHint = 'it is nested more than 100 levels deep'

/**
 * Offset of a place where brackets, dashes or indentation alone are deeper than any value may be. Seen without parsing, so that the parser,
 * which recurses, never meets it.
 */
export function tooDeepAt(text: string, limits = defaultYamlLimits): number | undefined {
  if (limits.maxDepth > 100) return undefined
  const run = /[[{](?:\s*[[{]){100,}|(?:- ){101,}/.exec(text)
  if (run) return run.index
  const indents: number[] = []
  for (const line of text.matchAll(/^( *)[^ \r\n]/gm)) {
    const indent = line[1]!.length
    while (indents.length > 0 && indents[indents.length - 1]! >= indent) indents.pop()
    indents.push(indent)
    if (indents.length > maxIndents) return line.index
  }
  return undefined
}

/** Text inside a block scalar isn't nesting, but nobody indents a script this often. */
const maxIndents = 200

/** A node with the number of values in it once aliases are followed, and its depth. */
interface Measured {
  node: Node
  count: number
  depth: number
}

class Converter {
  readonly #file: SourceFile
  readonly #limits: YamlLimits
  readonly #remarks: { mark: Mark; message: string; hint: string }[]
  readonly #anchors = new Map<string, Measured | 'open'>()
  readonly #sizes = new Map<Node, Measured>()

  constructor(
    file: SourceFile,
    limits: YamlLimits,
    remarks: { mark: Mark; message: string; hint: string }[],
  ) {
    this.#file = file
    this.#limits = limits
    this.#remarks = remarks
  }

  document(document: Document.Parsed): Node {
    return this.#convert(document.contents, 0, 0).node
  }

  #mark(node: YamlNode | null | undefined, fallback: number): Mark {
    return { file: this.#file, offset: node?.range?.[0] ?? fallback }
  }

  #convert(node: YamlNode | null | undefined, fallback: number, level: number): Measured {
    const mark = this.#mark(node, fallback)
    if (level > this.#limits.maxDepth) this.#tooBig(mark, deepHint)
    if (isAlias(node)) return this.#alias(node, mark)
    const anchor = (node as { anchor?: string } | null | undefined)?.anchor
    if (anchor !== undefined) this.#anchors.set(anchor, 'open')
    const measured = this.#measured(this.#value(node, mark, level))
    if (measured.count > this.#limits.maxNodes || measured.depth > this.#limits.maxDepth) {
      this.#tooBig(mark, 'aliases make it grow: use `extends` or fewer nested anchors')
    }
    if (anchor !== undefined) this.#anchors.set(anchor, measured)
    return measured
  }

  #tooBig(mark: Mark, hint: string): never {
    throw new Refusal('The parsed YAML is too big', mark, hint)
  }

  #alias(node: YamlAlias, mark: Mark): Measured {
    const target = this.#anchors.get(node.source)
    if (target === undefined) {
      throw new Refusal(
        `Unknown alias: ${node.source}`,
        mark,
        `no anchor \`&${node.source}\` stands before this place in this file; across files use \`!reference\` or \`extends\``,
      )
    }
    if (target === 'open') this.#tooBig(mark, `\`*${node.source}\` contains itself`)
    return target
  }

  #measured(node: Node): Measured {
    let count = 1
    let depth = 1
    const add = (part: Node) => {
      const size = this.#sizes.get(part)
      count += size?.count ?? 1
      depth = Math.max(depth, (size?.depth ?? 1) + 1)
    }
    if (node.kind === 'list') node.items.forEach(add)
    else if (node.kind === 'map') for (const entry of node.entries.values()) add(entry.value)
    const measured = { node, count, depth }
    if (count > 1) this.#sizes.set(node, measured)
    return measured
  }

  #value(node: YamlNode | null | undefined, mark: Mark, level: number): Node {
    if (node === null || node === undefined) return nullNode(mark)
    const tag = node.tag
    if (tag === '!reference') return this.#reference(node, mark, level)
    if (isScalar(node)) return this.#scalar(node, mark)
    if (isSeq(node)) return this.#list(node, mark, level)
    return this.#map(node as YAMLMap, mark, level)
  }

  #list(node: YAMLSeq, mark: Mark, level: number): ListNode {
    const items = node.items.map(
      item => this.#convert(item as YamlNode, mark.offset, level + 1).node,
    )
    return { kind: 'list', items, mark }
  }

  #scalar(node: YamlScalar, mark: Mark): Node {
    const source = String(node.value ?? '')
    const isPlain = node.type === 'PLAIN' || node.type === undefined || node.type === null
    if (node.tag === 'tag:yaml.org,2002:str' || !isPlain) {
      return { kind: 'scalar', type: 'string', value: source, text: source, mark }
    }
    const scanned = scanPlain(source)
    if ('refused' in scanned) {
      throw new Refusal(
        `Tried to load unspecified class: ${scanned.refused}`,
        mark,
        `quote it: "${source}"`,
      )
    }
    return { kind: 'scalar', ...scanned, mark }
  }

  #reference(node: YamlNode, mark: Mark, level: number): ReferenceNode {
    const list = isSeq(node) ? this.#list(node, mark, level) : undefined
    const path = list?.items.map(item =>
      item.kind === 'scalar' && (typeof item.value === 'string' || item.type === 'integer')
        ? (item.value as string | number)
        : undefined,
    )
    if (!path || path.length === 0 || path.includes(undefined)) {
      throw new Refusal(
        `!reference ${JSON.stringify(isScalar(node) ? node.value : [])} is not valid`,
        mark,
        'write a list of keys: `!reference [.setup, script]`',
      )
    }
    return { kind: 'reference', path: path as (string | number)[], mark }
  }

  #map(node: YAMLMap, mark: Mark, level: number): MapNode {
    const entries = new Map<string, Entry>()
    for (const pair of node.items as Pair<YamlNode, YamlNode | null>[]) {
      const keyMark = this.#mark(pair.key, mark.offset)
      const key = this.#key(pair.key, keyMark)
      const end = (pair.key as YamlNode | null)?.range?.[1] ?? keyMark.offset
      const { node: value } = this.#convert(pair.value, end, level + 1)
      if (key.name === '<<' && key.mayMerge && this.#merge(entries, value, keyMark)) continue
      if (entries.has(key.name) && !merged.has(entries.get(key.name)!)) {
        this.#remarks.push({
          mark: keyMark,
          message: `duplicate key \`${key.name}\`: the last one wins`,
          hint: 'remove one of the two',
        })
      }
      entries.set(key.name, {
        value,
        mark: keyMark,
        ...(key.type !== 'string' && { keyType: key.type }),
      })
    }
    return { kind: 'map', entries, mark }
  }

  /**
   * `<<: *one` and `<<: [*one, *two]`: shallow; an earlier list item wins over a later one. As in Psych the key's place counts: what is
   * written after it wins, and it wins over what is written before. False: the value can't be merged and `<<` is an ordinary key.
   */
  #merge(entries: Map<string, Entry>, value: Node, mark: Mark): boolean {
    const maps = value.kind === 'list' ? value.items : [value]
    if (maps.length === 0 || maps.some(map => map.kind !== 'map')) return false
    const fresh = new Map<string, Entry>()
    for (const map of maps as MapNode[]) {
      for (const [key, entry] of map.entries) if (!fresh.has(key)) fresh.set(key, entry)
    }
    for (const [key, entry] of fresh) {
      const before = entries.get(key)
      if (before && !merged.has(before)) {
        this.#remarks.push({
          mark,
          message: `\`<<\` overrides \`${key}\`, which is written before it`,
          hint: 'GitLab merges in order: put `<<` first',
        })
      }
      const copy = { ...entry }
      merged.add(copy)
      entries.set(key, copy)
    }
    return true
  }

  #key(node: YamlNode | null, mark: Mark): { name: string; type: ScalarType; mayMerge: boolean } {
    const key = this.#convert(node, mark.offset, 0).node
    if (key.kind !== 'scalar') {
      throw new Refusal('Invalid configuration format', mark, 'a key is a string')
    }
    return {
      name: key.text,
      type: key.type,
      mayMerge: (node as { tag?: string } | null)?.tag !== 'tag:yaml.org,2002:str',
    }
  }
}

/** Entries that came by `<<`: writing such a key afterwards is no duplicate. */
const merged = new WeakSet<Entry>()

function nullNode(mark: Mark): Node {
  return { kind: 'scalar', type: 'null', value: null, text: '', mark }
}
