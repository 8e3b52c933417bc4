/** `include:component`: `HOST/GROUP/PROJECT/NAME@VERSION`. */
import type { ProjectTree } from '../context.ts'
import type { FileOrigin, LoadSession } from './include.ts'
import type { Mark } from './node.ts'
import { Refusal } from './problems.ts'

/** The component's file and what its interpolation knows about it. Throws `Refusal`. */
export async function resolveComponent(
  address: string,
  mark: Mark,
  session: LoadSession,
): Promise<{ text: string; from: FileOrigin }> {
  const fail = (text: string, hint?: string) =>
    new Refusal(`Component '${address}' - ${text}`, mark, hint)
  const [, host, path, name, version] = /^([^/@]+)\/([^@]+)\/([^/@]+)@([^@]+)$/.exec(address) ?? []
  if (host === undefined || path === undefined || name === undefined || version === undefined) {
    throw fail('content not found', 'write HOST/GROUP/PROJECT/NAME@VERSION')
  }
  const hosts = ['CI_SERVER_FQDN', 'CI_SERVER_HOST'].map(key => session.scope.value(key))
  if (!hosts.includes(host)) {
    throw fail(
      'content not found',
      `components come from this instance only: ${hosts.find(Boolean) ?? 'unknown here'}`,
    )
  }
  const reader = session.context.reader
  const head = (await reader?.project(path)) ?? 'no_project'
  if (typeof head === 'string')
    throw fail('content not found', `there is no project ${path} that you may read`)
  const resolved = await resolveVersion(version, head, ref => reader!.project(path, ref))
  if (!resolved) throw fail('content not found', `there is no version ${version}`)
  const { tree } = resolved
  const text =
    (await tree.read(`templates/${name}.yml`)) ??
    (await tree.read(`templates/${name}/template.yml`))
  if (text === undefined || /^\s*$/.test(text)) {
    throw fail(
      'content not found',
      `neither templates/${name}.yml nor templates/${name}/template.yml is there`,
    )
  }
  const component = new Map([
    ['name', name],
    ['sha', tree.sha],
    ['version', resolved.version],
    ['reference', version],
  ])
  return { text, from: { name: address, tree, component } }
}

async function resolveVersion(
  wanted: string,
  head: ProjectTree,
  at: (ref: string) => Promise<ProjectTree | 'no_project' | 'no_ref'>,
): Promise<{ tree: ProjectTree; version: string } | undefined> {
  const isPartial = wanted === '~latest' || /^\d+(?:\.\d+)?$/.test(wanted)
  const ref = isPartial ? highest(await head.tags(), wanted) : wanted
  if (ref === undefined) return undefined
  const tree = await at(ref)
  return typeof tree === 'string' ? undefined : { tree, version: ref }
}

/** The highest release among tags (no pre-releases), of a major or minor line or of all. */
function highest(tags: readonly string[], wanted: string): string | undefined {
  const line = wanted === '~latest' ? [] : wanted.split('.').map(Number)
  const found = tags
    .flatMap(tag => {
      const parts = /^v?(\d+)\.(\d+)\.(\d+)$/.exec(tag)?.slice(1).map(Number)
      return parts && line.every((part, at) => parts[at] === part) ? [{ tag, parts }] : []
    })
    .sort(
      (a, b) => a.parts[0]! - b.parts[0]! || a.parts[1]! - b.parts[1]! || a.parts[2]! - b.parts[2]!,
    )
  return found.at(-1)?.tag
}
