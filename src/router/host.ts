const name =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/
const authority = /^(\[[0-9a-f:.]+\]|[^:@/?#\s[\]]+)(?::\d{1,5})?$/

/** The name in a Host header: lower case, without port and final dot. Undefined when it is no host name. */
export function hostName(header: string | undefined): string | undefined {
  const match = authority.exec(header?.toLowerCase() ?? '')
  if (!match) return undefined
  const host = match[1]!
  if (host.startsWith('[')) return host
  const bare = host.endsWith('.') ? host.slice(0, -1) : host
  return name.test(bare) ? bare : undefined
}
