/**
 * Query strings and forms with Rack's nesting, as GitLab's clients send them: `scope[]=a`, `filter[environment_scope]=*`,
 * `variables[][key]=K&variables[][value]=V`, `variables[0][key]=K`.
 */
const maxPairs = 1000
const maxDepth = 5

type Node = { [key: string]: unknown }

export function parseQuery(text: string): Record<string, unknown> {
  return nest(new URLSearchParams(text))
}

/** Later plain keys win. Names such as `__proto__` are plain keys of an object without prototype. */
export function nest(pairs: Iterable<[string, string]>): Record<string, unknown> {
  const root: Node = Object.create(null)
  let count = 0
  for (const [name, value] of pairs) {
    if (++count > maxPairs) break
    const path = pathOf(name)
    if (path.length <= maxDepth) put(root, path, value)
  }
  return root
}

/** `a[b][]` → `['a', 'b', '']` */
function pathOf(name: string): string[] {
  const open = name.indexOf('[')
  if (open <= 0 || !name.endsWith(']')) return [name]
  return [name.slice(0, open), ...name.slice(open + 1, -1).split('][')]
}

function put(into: Node, path: string[], value: string): void {
  const [key = '', ...rest] = path
  if (rest.length === 0) {
    into[key] = value
    return
  }
  if (/^\d*$/.test(rest[0]!)) {
    const list = Array.isArray(into[key]) ? (into[key] as unknown[]) : []
    into[key] = list
    putItem(list, rest, value)
    return
  }
  if (!isNode(into[key])) into[key] = Object.create(null)
  put(into[key] as Node, rest, value)
}

/** `[]` starts a new item when the last one has this key already. */
function putItem(list: unknown[], [index = '', ...rest]: string[], value: string): void {
  if (rest.length === 0) {
    list.push(value)
    return
  }
  const wanted = index === '' ? list.length - 1 : Math.min(Number(index), list.length)
  const there = list[wanted]
  const item: Node = isNode(there) ? there : Object.create(null)
  if (item !== there || (index === '' && rest.length === 1 && rest[0]! in item)) {
    const fresh: Node = item === there ? Object.create(null) : item
    list.push(fresh)
    put(fresh, rest, value)
  } else put(item, rest, value)
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
