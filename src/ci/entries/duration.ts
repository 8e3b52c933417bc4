import { isString, type Node } from '../config/node.ts'
import { parseDuration } from '../duration.ts'
import { type Place, refuse } from './kit.ts'

/** A duration that GitLab takes only as text. */
export function readDuration(
  place: Place,
  node: Node | undefined,
  attribute: string,
  options: { maxSeconds?: number; never?: boolean; variables?: boolean } = {},
): { text: string; seconds?: number } | undefined {
  if (node === undefined) return undefined
  if (!isString(node)) {
    const hint = node.kind === 'scalar' ? `write it as text: "${node.text} seconds"` : undefined
    return refuse(place, node.mark, `${attribute} should be a duration`, hint)
  }
  if (options.never && node.value === 'never') return { text: node.value }
  if (options.variables && /\$|%\w+%/.test(node.value)) return { text: node.value }
  const seconds = parseDuration(node.value)
  if (seconds === undefined) {
    return refuse(
      place,
      node.mark,
      `${attribute} should be a duration`,
      'such as `30 minutes`, `1h 30m` or `2 weeks`',
    )
  }
  if (options.maxSeconds !== undefined && seconds >= options.maxSeconds) {
    return refuse(place, node.mark, `${attribute} should not exceed the limit`)
  }
  return { text: node.value, seconds }
}
