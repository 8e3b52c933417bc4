import type { JobPayload } from '../protocol/index.ts'
import { normaliseReference } from './references.ts'
import type { Variables } from './variables.ts'

export interface RegistryAuth {
  username: string
  password: string
}

/**
 * Who pulls an image: the job's variable `DOCKER_AUTH_CONFIG` (a Docker configuration file), else what the server sent along. The longest
 * registry path that the image's name starts with wins.
 */
export function registryAuth(
  reference: string,
  payload: JobPayload,
  variables: Variables,
): RegistryAuth | undefined {
  const variable = variables.get('DOCKER_AUTH_CONFIG')
  const own = fromConfiguration(variable?.content ?? variable?.value)
  const sent = payload.credentials
    .filter(one => one.type === 'registry')
    .map(one => ({ registry: one.url, username: one.username, password: one.password }))
  const name = normaliseReference(reference)
  return longestMatch(name, own) ?? longestMatch(name, sent)
}

type Entry = RegistryAuth & { registry: string }

function longestMatch(name: string, entries: Entry[]): RegistryAuth | undefined {
  const matching = entries
    .map(entry => ({ ...entry, registry: normaliseRegistry(entry.registry) }))
    .filter(({ registry }) => name.startsWith(`${registry}/`))
    .sort((a, b) => b.registry.length - a.registry.length)
  const best = matching[0]
  return best && { username: best.username, password: best.password }
}

function normaliseRegistry(registry: string): string {
  const plain = registry.replace(/^https?:\/\//, '').replace(/\/(v[12]\/?)?$/, '')
  return plain.replace(/^(index\.docker\.io|registry-1\.docker\.io)(?=\/|$)/, 'docker.io')
}

function fromConfiguration(text: string | undefined): Entry[] {
  if (!text) return []
  try {
    const parsed = JSON.parse(text) as { auths?: Record<string, Record<string, unknown>> }
    return Object.entries(parsed.auths ?? {}).flatMap(([registry, entry]) => {
      const decoded = Buffer.from(String(entry['auth'] ?? ''), 'base64').toString()
      const colon = decoded.indexOf(':')
      const username = entry['username'] ?? (colon > 0 ? decoded.slice(0, colon) : undefined)
      const password = entry['password'] ?? (colon > 0 ? decoded.slice(colon + 1) : undefined)
      if (typeof username !== 'string' || typeof password !== 'string') return []
      return [{ registry, username, password }]
    })
  } catch {
    return []
  }
}
