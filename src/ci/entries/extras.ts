/** Keywords that the plan carries in GitLab's shape for parts of the product beyond the scheduler and the runner. */
import { child, isString, type MapNode, type Node, toPlain } from '../config/node.ts'
import { compilePattern, looksLikePattern } from '../expression/regex.ts'
import { readDuration } from './duration.ts'
import {
  asMap,
  isBlank,
  onlyKeys,
  type Place,
  readBoolean,
  readString,
  readStringOrStrings,
  refuse,
  shapeHint,
  under,
} from './kit.ts'
import { readCommands } from './script.ts'

export type Plain = Record<string, unknown>

function plain(map: MapNode): Plain {
  return toPlain(map) as Plain
}

/** `hooks:`. */
export function readHooks(
  place: Place,
  node: Node,
): { pre_get_sources_script?: string[] } | undefined {
  const map = asMap(place, node)
  if (!map) return undefined
  onlyKeys(place, map, ['pre_get_sources_script'])
  const script = child(map, 'pre_get_sources_script')
  const commands = script && readCommands(under(place, 'pre_get_sources_script'), script)
  return commands ? { pre_get_sources_script: commands } : {}
}

/** `id_tokens:`. */
export function readIdTokens(place: Place, node: Node): Plain | undefined {
  const map = asMap(place, node)
  if (!map) return undefined
  const tokens: [string, unknown][] = []
  for (const [name, { value }] of map.entries) {
    const inner = under(place, name)
    const token = asMap(inner, value)
    if (!token) continue
    onlyKeys(inner, token, ['aud'])
    const aud = child(token, 'aud')
    if (aud === undefined) {
      refuse(inner, value.mark, 'config missing required keys: aud')
      continue
    }
    if (readStringOrStrings(inner, aud, 'aud')) tokens.push([name, { aud: toPlain(aud) }])
  }
  return Object.fromEntries(tokens)
}

const vaults = [
  'vault',
  'azure_key_vault',
  'gcp_secret_manager',
  'aws_secrets_manager',
  'gitlab_secrets_manager',
  'akeyless',
]

/** `secrets:` (GitLab Premium). */
export function readSecrets(place: Place, node: Node): Plain | undefined {
  const map = asMap(place, node)
  if (!map) return undefined
  for (const [name, { value }] of map.entries) {
    const inner = under(place, name)
    const secret = asMap(inner, value)
    if (!secret) continue
    onlyKeys(inner, secret, [...vaults, 'file', 'token'])
    const chosen = vaults.filter(vault => child(secret, vault))
    if (chosen.length !== 1) {
      refuse(inner, secret.mark, `config must use exactly one of these keys: ${vaults.join(', ')}`)
    }
    readBoolean(inner, child(secret, 'file'), 'file')
    readString(inner, child(secret, 'token'), 'token')
    if (chosen[0] === 'gcp_secret_manager' && !child(secret, 'token')) {
      refuse(inner, secret.mark, 'token is required with gcp secrets manager')
    }
  }
  return plain(map)
}

const releaseKeys = [
  'tag_name',
  'tag_message',
  'name',
  'description',
  'ref',
  'released_at',
  'milestones',
  'assets',
]

/** `release:`. */
export function readRelease(place: Place, node: Node): Plain | undefined {
  const map = asMap(place, node)
  if (!map) return undefined
  onlyKeys(place, map, releaseKeys)
  for (const key of ['tag_name', 'description']) {
    if (isBlank(child(map, key))) refuse(place, map.mark, `${key.replace('_', ' ')} can't be blank`)
    else readString(place, child(map, key), key.replace('_', ' '))
  }
  readString(place, child(map, 'tag_message'), 'tag message')
  readString(place, child(map, 'name'), 'name')
  readString(place, child(map, 'ref'), 'ref')
  readStringOrStrings(place, child(map, 'milestones'), 'milestones')
  const at = child(map, 'released_at')
  const isDate = isString(at) && (/\$/.test(at.value) || !Number.isNaN(Date.parse(at.value)))
  if (at && !isDate) refuse(place, at.mark, 'released at must be a valid datetime')
  readAssets(under(place, 'assets'), child(map, 'assets'))
  return plain(map)
}

function readAssets(place: Place, node: Node | undefined): void {
  const map = node && asMap(place, node)
  if (!map) return
  onlyKeys(place, map, ['links'])
  const links = child(map, 'links')
  if (isBlank(links)) {
    refuse(place, map.mark, "links can't be blank")
    return
  }
  if (links?.kind !== 'list' || links.items.some(item => item.kind !== 'map')) {
    refuse(place, links!.mark, 'links should be an array of hashes')
    return
  }
  for (const link of links.items as MapNode[]) {
    const inner = under(under(place, 'links'), 'link')
    onlyKeys(inner, link, ['name', 'url', 'filepath', 'link_type'])
    for (const key of ['name', 'url']) {
      if (isBlank(child(link, key))) refuse(inner, link.mark, `${key} can't be blank`)
      else readString(inner, child(link, key), key)
    }
  }
}

/** `pages:` of a job. */
export function readPages(place: Place, node: Node): boolean | Plain | undefined {
  if (node.kind === 'scalar' && typeof node.value === 'boolean') return node.value
  const map = asMap(place, node, 'config should be a hash or a boolean value')
  if (!map) return undefined
  onlyKeys(place, map, ['path_prefix', 'expire_in', 'publish'])
  readString(place, child(map, 'path_prefix'), 'path prefix')
  readString(place, child(map, 'publish'), 'publish')
  readDuration(place, child(map, 'expire_in'), 'expire in', { never: true, variables: true })
  return plain(map)
}

/** `coverage: '/…/'`: the pattern without its slashes. */
export function readCoverage(place: Place, node: Node): string | undefined {
  const text = isString(node) ? node.value : ''
  if (!looksLikePattern(text) || !compilePattern(text)) {
    const hint = looksLikePattern(text)
      ? 'RE2 knows no look-around and no back-references'
      : "write it between slashes: '/Coverage: (\\d+)%/'"
    return refuse(
      place,
      node.mark,
      'config must be a regular expression with re2 syntax',
      shapeHint(node) ?? hint,
    )
  }
  return text.slice(1, text.lastIndexOf('/'))
}

const inputTypes = ['string', 'number', 'boolean', 'array']

/** `inputs:` of a job: every one has a default, and the runner puts the values in. */
export function readJobInputs(place: Place, node: Node): Plain | undefined {
  const map = asMap(place, node)
  if (!map) return undefined
  if (map.entries.size > 50) refuse(place, map.mark, 'config has too many entries (maximum 50)')
  const inputs: [string, unknown][] = []
  for (const [name, { value }] of map.entries) {
    const inner = under(place, name)
    const input = asMap(inner, value)
    if (!input) continue
    onlyKeys(inner, input, ['default', 'description', 'options', 'regex', 'type'])
    if (!child(input, 'default')) refuse(inner, input.mark, 'must have a default value')
    const type = readString(inner, child(input, 'type'), 'input type') ?? 'string'
    if (!inputTypes.includes(type)) refuse(inner, input.mark, `input type unknown value: ${type}`)
    inputs.push([name, { ...plain(input), type }])
  }
  return Object.fromEntries(inputs)
}

/** `run:`, a list of steps. */
export function readRun(place: Place, node: Node): Plain[] | undefined {
  if (node.kind !== 'list' || node.items.some(item => item.kind !== 'map')) {
    return refuse(
      place,
      node.mark,
      'run should be a list of steps',
      'each with a `name` and `script`, `step` or `func`',
    )
  }
  for (const step of node.items as MapNode[]) {
    const inner = under(under(place, 'run'), 'step')
    onlyKeys(inner, step, ['name', 'script', 'step', 'func', 'env', 'inputs'])
    if (isBlank(child(step, 'name'))) refuse(inner, step.mark, "name can't be blank")
    const actions = ['script', 'step', 'func'].filter(key => child(step, key))
    if (actions.length !== 1) {
      refuse(inner, step.mark, 'config must use exactly one of these keys: script, step, func')
    }
  }
  return (node.items as MapNode[]).map(plain)
}

/** `identity:` (gitlab.com only). */
export function readIdentity(place: Place, node: Node): string | undefined {
  if (isString(node) && node.value === 'google_cloud') return node.value
  return refuse(place, node.mark, 'identity should be one of: google_cloud', shapeHint(node))
}
