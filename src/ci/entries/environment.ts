import { child, isString, type Mark, type Node, toPlain } from '../config/node.ts'
import {
  asMap,
  isBlank,
  onlyKeys,
  type Place,
  readChoice,
  readString,
  refuse,
  shapeHint,
  under,
} from './kit.ts'

export interface EnvironmentEntry {
  name: string
  url?: string
  action: 'start' | 'stop' | 'prepare' | 'verify' | 'access'
  onStop?: string
  autoStopIn?: string
  tier?: string
  kubernetes?: Record<string, unknown>
  mark: Mark
}

const actions = ['start', 'stop', 'prepare', 'verify', 'access'] as const
const nameText =
  "name can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', and spaces, but it cannot start or end with '/'"
const keys = ['name', 'url', 'action', 'on_stop', 'auto_stop_in', 'kubernetes', 'deployment_tier']
const kubernetesKeys = [
  'namespace',
  'agent',
  'flux_resource_path',
  'managed_resources',
  'dashboard',
]
const tiers = ['production', 'staging', 'testing', 'development', 'other'] as const

/** Is this a valid environment name, variables allowed? */
export function isEnvironmentName(name: string): boolean {
  return (
    /^[a-zA-Z0-9_\-$]$|^[a-zA-Z0-9_\-$][a-zA-Z0-9_\-/${}. ]*[a-zA-Z0-9_\-${}. ]$|^[a-zA-Z0-9_\-$]$/.test(
      name,
    ) && name.length <= 255
  )
}

/** `environment:`, a name or a mapping. */
export function readEnvironment(place: Place, node: Node): EnvironmentEntry | undefined {
  if (isString(node)) {
    const name = readName(place, node)
    return name === undefined ? undefined : { name, action: 'start', mark: node.mark }
  }
  if (node.kind !== 'map') {
    return refuse(place, node.mark, 'config should be a hash or a string', shapeHint(node))
  }
  onlyKeys(place, node, keys)
  const nameNode = child(node, 'name')
  if (isBlank(nameNode)) return refuse(place, node.mark, "name can't be blank")
  const name = readName(place, nameNode!)
  const url = readString(place, child(node, 'url'), 'url')
  if (url !== undefined && url.length > 255) {
    refuse(place, child(node, 'url')!.mark, 'url is too long (maximum is 255 characters)')
  }
  const onStop = readString(place, child(node, 'on_stop'), 'on stop')
  const autoStopIn = readString(place, child(node, 'auto_stop_in'), 'auto stop in')
  const action = readChoice(
    place,
    child(node, 'action'),
    'action',
    actions,
    'should be start, stop, prepare, verify, or access',
  )
  const tier = readChoice(
    place,
    child(node, 'deployment_tier'),
    'deployment tier',
    tiers,
    `must be one of ${tiers.join(', ')}`,
  )
  const kubernetes = readKubernetes(under(place, 'kubernetes'), child(node, 'kubernetes'))
  if (name === undefined) return undefined
  return {
    name,
    action: action ?? 'start',
    ...(url !== undefined && { url }),
    ...(onStop !== undefined && { onStop }),
    ...(autoStopIn !== undefined && { autoStopIn }),
    ...(tier !== undefined && { tier }),
    ...(kubernetes && { kubernetes }),
    mark: node.mark,
  }
}

function readName(place: Place, node: Node): string | undefined {
  if (isBlank(node)) return refuse(place, node.mark, "name can't be blank")
  if (!isString(node) || !isEnvironmentName(node.value)) {
    return refuse(place, node.mark, nameText, shapeHint(node))
  }
  return node.value
}

function readKubernetes(place: Place, node: Node | undefined): Record<string, unknown> | undefined {
  const map = node && asMap(place, node)
  if (!map) return undefined
  if (map.entries.size === 0) return refuse(place, map.mark, "config can't be blank")
  onlyKeys(place, map, kubernetesKeys)
  for (const key of ['namespace', 'agent', 'flux_resource_path']) {
    readString(place, child(map, key), key.replaceAll('_', ' '))
  }
  if (child(map, 'flux_resource_path') && !child(map, 'namespace')) {
    refuse(place, map.mark, "namespace can't be blank")
  }
  if (child(map, 'flux_resource_path') && !child(map, 'agent')) {
    refuse(place, map.mark, "agent can't be blank")
  }
  return toPlain(map) as Record<string, unknown>
}
