import { isDigest } from '../blobs/index.ts'
import { RegistryError } from './errors.ts'
import { checkName, isTag } from './names.ts'

/** The specification's endpoints, as paths. `name` is the client's, without the view's prefix. */
export type Route =
  | { to: 'base' }
  | { to: 'catalog' }
  | { to: 'tags'; name: string }
  | { to: 'manifest'; name: string; reference: string }
  | { to: 'blob'; name: string; digest: string }
  | { to: 'uploads'; name: string }
  | { to: 'upload'; name: string; id: string }
  | { to: 'referrers'; name: string; digest: string }

const pattern =
  /^\/v2\/(.+)\/(?:(tags\/list)|manifests\/([^/]+)|(blobs\/uploads\/?)|blobs\/uploads\/([^/]+)|blobs\/([^/]+)|referrers\/([^/]+))$/

/** Throws the specification's error for names, tags and digests that can't be. */
export function parseRoute(path: string, method: string): Route {
  if (path === '/v2' || path === '/v2/') return { to: 'base' }
  if (path === '/v2/_catalog') return { to: 'catalog' }
  const match = pattern.exec(path)
  const name = match?.[1]
  if (!match || name === undefined)
    throw new RegistryError('UNSUPPORTED', 'no such endpoint', { status: 404 })
  checkName(name)
  if (match[2] !== undefined) return { to: 'tags', name }
  if (match[3] !== undefined)
    return { to: 'manifest', name, reference: checkReference(match[3], method) }
  if (match[4] !== undefined) return { to: 'uploads', name }
  if (match[5] !== undefined) return { to: 'upload', name, id: match[5] }
  if (match[6] !== undefined) return { to: 'blob', name, digest: checkDigest(match[6]) }
  return { to: 'referrers', name, digest: checkDigest(match[7] ?? '') }
}

export function checkDigest(text: string): string {
  const digest: string = text.replace(/%3a/i, ':')
  if (isDigest(digest)) return digest
  throw new RegistryError('DIGEST_INVALID', 'invalid digest', {
    detail: { digest: digest.slice(0, 200), rule: 'sha256:<64 hex> or sha512:<128 hex>' },
  })
}

/** A tag or a digest. */
function checkReference(text: string, method: string): string {
  if (text.includes(':') || /%3a/i.test(text)) return checkDigest(text)
  if (isTag(text)) return text
  throw new RegistryError('TAG_INVALID', 'invalid tag', {
    status: method === 'PUT' ? 400 : 404,
    detail: { tag: text.slice(0, 200), rule: '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}' },
  })
}
