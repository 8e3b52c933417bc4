/** `include`: files of every kind, nested, merged under the including file. */
import { createHash } from 'node:crypto'
import type { CompileContext, ProjectTree } from '../context.ts'
import { firstMatch } from '../decide/rules.ts'
import type { VariableScope } from '../decide/variables.ts'
import type { World } from '../decide/world.ts'
import { readRules } from '../entries/rules.ts'
import { resolveComponent } from './component.ts'
import { deepMerge } from './merge.ts'
import { child, isNull, isString, type MapNode, type Mark, type Node, toPlain } from './node.ts'
import { didYouMean, Refusal, type Reporter } from './problems.ts'

const maxIncludes = 150
const maxTotalSize = 20 * 1024 * 1024
const maxTimeMs = 30_000

/** What all files of one configuration share. */
export interface LoadSession {
  context: CompileContext
  /** Variables that includes see: none of YAML. */
  scope: VariableScope
  world: World
  report: Reporter
  included: number
  size: number
  startedAt: number
  /** Characters of one file; more throws `LargeConfiguration`. */
  maxFileSize: number
  /** Reads a file with its header, inputs and own includes (`loadFile`). */
  load: LoadFile
}

/** A file is too large to be read on this thread; the caller starts again on another. */
export class LargeConfiguration extends Error {}

export type LoadFile = (
  text: string,
  origin: FileOrigin,
  given: Record<string, unknown>,
  includedAt: Mark,
  session: LoadSession,
) => Promise<MapNode>

/** Where a file comes from, so that its own `local` includes are found. */
export interface FileOrigin {
  name: string
  /** Undefined: a remote file or a template has no project around it. */
  tree?: Pick<ProjectTree, 'read' | 'paths'>
  component?: ReadonlyMap<string, string>
}

const kinds = ['local', 'project', 'remote', 'template', 'artifact', 'component'] as const
type Kind = (typeof kinds)[number]

const entryKeys = [...kinds, 'file', 'ref', 'integrity', 'cache', 'inputs', 'job', 'rules']

/** One file to be read. */
interface Wanted {
  kind: Kind
  location: string
  project?: string
  ref?: string
  integrity?: string
  inputs: Record<string, unknown>
  mark: Mark
}

/** The configuration with its includes under it, without the key. Throws `Refusal`. */
export async function expandIncludes(
  content: MapNode,
  origin: FileOrigin,
  session: LoadSession,
): Promise<MapNode> {
  const entry = content.entries.get('include')
  if (!entry) return content
  const entries = new Map(content.entries)
  entries.delete('include')
  const own: MapNode = { ...content, entries }
  const items = isNull(entry.value)
    ? []
    : entry.value.kind === 'list'
      ? entry.value.items
      : [entry.value]
  let merged: MapNode = { kind: 'map', entries: new Map(), mark: content.mark }
  for (const item of items) {
    for (const wanted of await wantedOf(item, origin, session)) {
      count(wanted.mark, session)
      merged = deepMerge(merged, await readWanted(wanted, origin, session))
    }
  }
  return deepMerge(merged, own)
}

function count(mark: Mark, session: LoadSession): void {
  session.included++
  if (session.included > maxIncludes) {
    throw new Refusal(
      `Maximum of ${maxIncludes} nested includes are allowed!`,
      mark,
      'does a file include itself?',
    )
  }
  if (performance.now() - session.startedAt > maxTimeMs) {
    throw new Refusal('Request timed out when fetching configuration files.', mark)
  }
}

async function wantedOf(item: Node, origin: FileOrigin, session: LoadSession): Promise<Wanted[]> {
  if (isNull(item)) return []
  if (isString(item)) {
    const location = session.scope.expand(item.value, 'empty')
    const kind = /^https?:\/\//i.test(location) ? 'remote' : 'local'
    return expandLocal({ kind, location, inputs: {}, mark: item.mark }, origin)
  }
  if (item.kind !== 'map') throw new Refusal('Each include must be a hash or a string', item.mark)
  const unknown = [...item.entries.keys()].find(key => !entryKeys.includes(key))
  if (unknown !== undefined) {
    throw new Refusal(
      `include config contains unknown keys: ${unknown}`,
      item.entries.get(unknown)!.mark,
      didYouMean(unknown, entryKeys),
    )
  }
  const kind = kindOf(item, session)
  if (!(await isWanted(item, session))) return []
  return expandLocal(...filesOf(item, kind, session), origin)
}

function kindOf(item: MapNode, session: LoadSession): Kind {
  const found = kinds.filter(kind => child(item, kind) !== undefined)
  const list = `\`${kinds.map(kind => (kind === 'project' ? 'project' : kind)).join('`, `')}\``
  if (found.length === 0) {
    const shown = mask(JSON.stringify(toPlain(item)), session)
    throw new Refusal(
      `\`${shown}\` does not have a valid subkey for include. Valid subkeys are: ${list}`,
      item.mark,
      child(item, 'file')
        ? '`file` goes with `project`; for this repository write `local`'
        : undefined,
    )
  }
  if (found.length > 1) throw new Refusal(`Each include must use only one of: ${list}`, item.mark)
  if (found[0] === 'artifact') {
    throw new Refusal('`artifact` includes work only under `trigger:include`', item.mark)
  }
  return found[0]!
}

async function isWanted(item: MapNode, session: LoadSession): Promise<boolean> {
  const node = child(item, 'rules')
  if (!node) return true
  const before = session.report.problems.length
  const rules = readRules({ location: 'include:rules', report: session.report }, node, 'include')
  if (!rules || session.report.problems.length > before) return false
  const { rule, problem } = await firstMatch(rules, session.scope, session.world, 'include:rules')
  if (problem !== undefined) throw new Refusal(`include:${problem}`, node.mark)
  return rule !== undefined && rule.when !== 'never'
}

function filesOf(item: MapNode, kind: Kind, session: LoadSession): [Wanted, ...Wanted[]] {
  const text = (key: string) => {
    const node = child(item, key)
    if (node === undefined) return undefined
    if (isString(node)) return session.scope.expand(node.value, 'empty')
    throw new Refusal(
      `Included file \`${JSON.stringify(toPlain(node))}\` needs to be a string`,
      node.mark,
    )
  }
  const inputs = child(item, 'inputs')
  if (inputs && inputs.kind !== 'map') throw new Refusal('Given inputs must be a hash', inputs.mark)
  const common = {
    kind,
    integrity: text('integrity'),
    inputs: inputs ? (toPlain(inputs) as Record<string, unknown>) : {},
    mark: child(item, kind)!.mark,
  }
  if (kind !== 'project') return [{ ...common, location: text(kind)! }]
  const file = child(item, 'file')
  const files = file?.kind === 'list' ? file.items : file ? [file] : []
  if (files.length === 0) {
    throw new Refusal(
      'include config must specify the file where to fetch the config from',
      item.mark,
    )
  }
  return files.map(one => {
    if (!isString(one)) {
      throw new Refusal(
        `Included file \`${JSON.stringify(toPlain(one))}\` needs to be a string`,
        one.mark,
      )
    }
    const location = session.scope.expand(one.value, 'empty').replace(/^\/+/, '')
    return { ...common, location, project: text('project'), ref: text('ref'), mark: one.mark }
  }) as [Wanted, ...Wanted[]]
}

/** Wildcards of local files; the other arguments pass through. */
async function expandLocal(...args: [...Wanted[], FileOrigin]): Promise<Wanted[]> {
  const origin = args.at(-1) as FileOrigin
  const wanted = args.slice(0, -1) as Wanted[]
  const expanded: Wanted[] = []
  for (const one of wanted) {
    if (one.kind !== 'local') {
      expanded.push(one)
      continue
    }
    const location = one.location.replace(/^\/+/, '')
    if (!location.includes('*')) {
      expanded.push({ ...one, location })
      continue
    }
    const matches = wildcard(location)
    const paths = (await origin.tree?.paths()) ?? []
    for (const path of paths.filter(matches)) expanded.push({ ...one, location: path })
  }
  return expanded
}

/** `*` stays within a directory, `**` doesn't. Linear: pieces between stars are looked for from left to right. */
function wildcard(glob: string): (path: string) => boolean {
  const pattern = glob
    .split(/(\*\*|\*)/)
    .map(part =>
      part === '**' ? '.*' : part === '*' ? '[^/]*' : part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'),
    )
    .join('')
  const bounded = (glob.match(/\*/g)?.length ?? 0) <= 6
  const compiled = new RegExp(`^${pattern}$`)
  return path => bounded && path.length < 1000 && compiled.test(path) && /\.ya?ml$/i.test(path)
}

async function readWanted(
  wanted: Wanted,
  origin: FileOrigin,
  session: LoadSession,
): Promise<MapNode> {
  const shown = mask(wanted.location, session)
  if (wanted.kind !== 'component' && !/.+\.ya?ml$/i.test(wanted.location.split('/').at(-1)!)) {
    throw new Refusal(`Included file \`${shown}\` does not have YAML extension!`, wanted.mark)
  }
  const { text, from } = await fetchWanted(wanted, shown, origin, session)
  if (text.length > session.maxFileSize) throw new LargeConfiguration()
  session.size += text.length
  if (session.size > maxTotalSize) {
    throw new Refusal('Total size of combined CI/CD configuration is too big', wanted.mark)
  }
  return session.load(text, from, wanted.inputs, wanted.mark, session)
}

interface Fetched {
  text: string
  from: FileOrigin
}

async function fetchWanted(
  wanted: Wanted,
  shown: string,
  origin: FileOrigin,
  session: LoadSession,
): Promise<Fetched> {
  switch (wanted.kind) {
    case 'local':
      return fetchLocal(wanted, shown, origin)
    case 'project':
      return fetchProject(wanted, shown, session)
    case 'remote':
      return fetchRemote(wanted, shown, session)
    case 'template': {
      const text = await session.context.reader?.template(wanted.location)
      if (text === undefined) {
        throw new Refusal(
          `Included file \`${shown}\` is empty or does not exist!`,
          wanted.mark,
          "GitLab's template catalogue isn't part of this product: copy the file into the repository and include it as `local`",
        )
      }
      return { text, from: { name: shown } }
    }
    default:
      return resolveComponent(wanted.location, wanted.mark, session)
  }
}

async function fetchLocal(wanted: Wanted, shown: string, origin: FileOrigin): Promise<Fetched> {
  if (!origin.tree) throw new Refusal(`Local file \`${shown}\` does not have project!`, wanted.mark)
  const isInside = !wanted.location.split('/').some(part => part === '..' || part === '.')
  const text = isInside ? await origin.tree.read(wanted.location) : undefined
  if (text === undefined) throw new Refusal(`Local file \`${shown}\` does not exist!`, wanted.mark)
  if (/^\s*$/.test(text)) throw new Refusal(`Local file \`${shown}\` is empty!`, wanted.mark)
  return { text, from: { ...origin, name: shown } }
}

async function fetchProject(wanted: Wanted, shown: string, session: LoadSession): Promise<Fetched> {
  const path = (wanted.project ?? '').toLowerCase()
  const project = mask(path, session)
  const tree = (await session.context.reader?.project(path, wanted.ref)) ?? 'no_project'
  if (tree === 'no_project') {
    throw new Refusal(
      `Project \`${project}\` not found or access denied! Make sure any includes in the pipeline configuration are correctly defined.`,
      wanted.mark,
    )
  }
  if (tree === 'no_ref') {
    const ref = mask(wanted.ref ?? 'HEAD', session)
    throw new Refusal(`Project \`${project}\` reference \`${ref}\` does not exist!`, wanted.mark)
  }
  const text = await tree.read(wanted.location)
  if (text === undefined) {
    throw new Refusal(`Project \`${project}\` file \`${shown}\` does not exist!`, wanted.mark)
  }
  if (/^\s*$/.test(text)) {
    throw new Refusal(`Project \`${project}\` file \`${shown}\` is empty!`, wanted.mark)
  }
  return { text, from: { name: `${project}: ${shown}`, tree } }
}

async function fetchRemote(wanted: Wanted, shown: string, session: LoadSession): Promise<Fetched> {
  if (!/^https?:\/\/[^/\s]+/i.test(wanted.location)) {
    throw new Refusal(
      `Remote file \`${shown}\` does not have a valid address!`,
      wanted.mark,
      'only http and https are fetched',
    )
  }
  const answer = await session.context.reader?.remote(wanted.location)
  if (!answer || 'reason' in answer) {
    const reason = answer?.reason ?? 'remote files are not at hand here'
    throw new Refusal(
      `Remote file \`${shown}\` could not be fetched because of ${reason}!`,
      wanted.mark,
    )
  }
  if (/^\s*$/.test(answer.text)) {
    throw new Refusal(
      `Remote file \`${shown}\` could not be fetched because the response was empty!`,
      wanted.mark,
    )
  }
  if (wanted.integrity !== undefined) {
    const hash = `sha256-${createHash('sha256').update(answer.text).digest('base64')}`
    if (hash !== wanted.integrity) {
      throw new Refusal(`Remote file \`${shown}\` failed integrity check!`, wanted.mark)
    }
  }
  return { text: answer.text, from: { name: shown } }
}

/** Masked values of variables as x's. */
function mask(text: string, session: LoadSession): string {
  let masked = text
  for (const one of session.context.variables) {
    if (one.masked && one.value !== '')
      masked = masked.replaceAll(one.value, 'x'.repeat(one.value.length))
  }
  return masked
}
