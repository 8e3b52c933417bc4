/** Names of images: what they are short for, which of them a policy means, and how a service is called on its network. */

/** `docker:dind` → `docker.io/library/docker:dind`; the tag `latest` where there is neither tag nor digest. */
export function normaliseReference(reference: string): string {
  const [name = '', digest] = reference.split('@')
  const slash = name.lastIndexOf('/')
  const colon = name.indexOf(':', slash + 1)
  const path = colon === -1 ? name : name.slice(0, colon)
  const tag = colon === -1 ? (digest === undefined ? ':latest' : '') : name.slice(colon)
  const first = path.split('/')[0] ?? ''
  const hasHost = path.includes('/') && (/[.:]/.test(first) || first === 'localhost')
  const full = hasHost
    ? path.replace(/^(index\.docker\.io|registry-1\.docker\.io)\//, 'docker.io/')
    : `docker.io/${path.includes('/') ? '' : 'library/'}${path}`
  return `${full}${tag}${digest === undefined ? '' : `@${digest}`}`
}

/**
 * Whether a pattern means this image: `docker:*dind*`, `docker` (any tag), `registry.x/tools/**`. Short names are allowed; `*` is any text
 * within a part of the name, `**` any text.
 */
export function matchesImage(reference: string, pattern: string): boolean {
  const full = normaliseReference(pattern)
  const anyTag = /[:@][^/]*$/.test(pattern) ? full : full.replace(/:latest$/, ':*')
  const parts = anyTag.split(/(\*+)/).map(part => {
    if (part === '**') return '.*'
    return part === '*' ? '[^/@]*' : escapeRegExp(part)
  })
  return new RegExp(`^${parts.join('')}$`).test(normaliseReference(reference))
}

/** Host names of a service, first its own: `registry.x:4999/tutum/wordpress:1` → `tutum__wordpress`, `tutum-wordpress` (GitLab's rules). */
export function serviceAliases(reference: string, alias: string | undefined): string[] {
  const withoutDigest = reference.split('@')[0] ?? ''
  const parts = withoutDigest.split('/')
  const first = parts[0] ?? ''
  if (parts.length > 1 && (/[.:]/.test(first) || first === 'localhost')) parts.shift()
  const path = parts.join('/').split(':')[0] ?? ''
  const own = (alias ?? '').split(/[\s,]+/)
  const all = [path.replaceAll('/', '__'), path.replaceAll('/', '-'), ...own]
  return [...new Set(all.filter(name => /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}$/.test(name)))]
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
}
