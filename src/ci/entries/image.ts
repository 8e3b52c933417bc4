import { child, isString, type MapNode, type Mark, type Node } from '../config/node.ts'
import type { PlanImage } from '../plan.ts'
import { isBlank, onlyKeys, type Place, readStrings, refuse, shapeHint, under } from './kit.ts'
import { readCommands } from './script.ts'
import { planVariables, readVariables } from './variables.ts'

export type ImageEntry = PlanImage & { mark: Mark }

const imageKeys = ['name', 'entrypoint', 'pull_policy', 'docker', 'kubernetes']
const serviceKeys = [...imageKeys, 'command', 'alias', 'variables']
const pullPolicies = ['always', 'never', 'if-not-present']

/** `image:`, a name or a mapping. */
export function readImage(place: Place, node: Node): ImageEntry | undefined {
  return readImageable(place, node, imageKeys)
}

/** `services:`, a list of names or mappings. */
export function readServices(place: Place, node: Node): ImageEntry[] | undefined {
  if (node.kind !== 'list') {
    const hint = isString(node) ? `write a list: ["${node.value}"]` : shapeHint(node)
    return refuse(place, node.mark, 'config should be a array', hint)
  }
  return node.items.flatMap(item => readImageable(under(place, 'service'), item, serviceKeys) ?? [])
}

function readImageable(place: Place, node: Node, keys: readonly string[]): ImageEntry | undefined {
  if (isString(node)) {
    if (isBlank(node)) return refuse(place, node.mark, "name can't be blank")
    return { name: node.value, mark: node.mark }
  }
  if (node.kind !== 'map') {
    return refuse(place, node.mark, 'config should be a hash or a string', shapeHint(node))
  }
  onlyKeys(place, node, keys)
  const name = child(node, 'name')
  if (isBlank(name) || !isString(name)) {
    const text = name && !isBlank(name) ? 'name should be a string' : "name can't be blank"
    return refuse(place, name?.mark ?? node.mark, text, name && shapeHint(name))
  }
  const alias = child(node, 'alias')
  if (alias && !isString(alias))
    refuse(place, alias.mark, 'alias should be a string', shapeHint(alias))
  const command = child(node, 'command')
  const variables = child(node, 'variables')
  return {
    name: name.value,
    mark: name.mark,
    ...(isString(alias) && { alias: alias.value }),
    ...defined('entrypoint', readStrings(place, child(node, 'entrypoint'), 'entrypoint')),
    ...defined('command', command && readCommands(under(place, 'command'), command)),
    ...defined(
      'pullPolicy',
      readPullPolicy(under(place, 'pull_policy'), child(node, 'pull_policy')),
    ),
    ...(variables && {
      variables: planVariables(readVariables(under(place, 'variables'), variables, [])),
    }),
    ...readExecutorOptions(place, node),
  }
}

function defined<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: V }
}

function readPullPolicy(place: Place, node: Node | undefined): string[] | undefined {
  if (node === undefined) return undefined
  const items = isString(node) ? [node] : node.kind === 'list' ? node.items : undefined
  if (!items?.every(isString)) {
    return refuse(place, node.mark, 'config should be an array of strings or a string')
  }
  if (items.length === 0) return refuse(place, node.mark, "config can't be blank")
  const unknown = items.filter(item => !pullPolicies.includes(item.value))
  if (unknown.length > 0) {
    const text = isString(node)
      ? 'config is not included in the list'
      : `config contains unknown values: ${unknown.map(one => one.value).join(', ')}`
    return refuse(place, unknown[0]!.mark, text, `one of ${pullPolicies.join(', ')}`)
  }
  return items.map(item => item.value)
}

const executorOptions = { docker: ['platform', 'user'], kubernetes: ['user'] } as const

function readExecutorOptions(
  place: Place,
  map: MapNode,
): Pick<PlanImage, 'dockerUser' | 'dockerPlatform'> {
  const found: { dockerUser?: string; dockerPlatform?: string } = {}
  for (const [executor, allowed] of Object.entries(executorOptions)) {
    const options = child(map, executor)
    if (options === undefined) continue
    if (options.kind !== 'map') {
      refuse(place, options.mark, `executor opts value at \`/${executor}\` is not an object`)
      continue
    }
    for (const [key, entry] of options.entries) {
      const path = `/${executor}/${key}`
      const value = entry.value
      if (!(allowed as readonly string[]).includes(key)) {
        refuse(
          place,
          entry.mark,
          `executor opts object property at \`${path}\` is a disallowed additional property`,
          `\`${executor}\` takes ${allowed.join(' and ')}`,
        )
      } else if (executor === 'docker' ? !isString(value) : value.kind !== 'scalar') {
        refuse(
          place,
          value.mark,
          `executor opts value at \`${path}\` is not a string`,
          shapeHint(value),
        )
      } else if (value.kind === 'scalar' && (value.text === '' || value.text.length > 255)) {
        refuse(place, value.mark, `executor opts string length at \`${path}\` is out of bounds`)
      } else if (executor === 'docker' && value.kind === 'scalar') {
        found[key === 'user' ? 'dockerUser' : 'dockerPlatform'] = value.text
      }
    }
  }
  return found
}

/** What the plan keeps. */
export function planImage({ mark: _, ...image }: ImageEntry): PlanImage {
  return image
}
