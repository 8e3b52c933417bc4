import { RegistryError } from './errors.ts'

const part = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const namePattern = new RegExp(`^${part}(?:/${part})*$`)
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
const maxNameLength = 255

/** Three kinds of repository, told apart by name; each has its own rights. */
export type RepositoryKind =
  | { kind: 'project'; path: string }
  | { kind: 'app'; app: string; process: string }
  | { kind: 'mirror'; upstream: string; path: string }

/** Throws unless the name keeps to the specification's grammar. */
export function checkName(name: string): void {
  if (name.length <= maxNameLength && namePattern.test(name)) return
  throw new RegistryError('NAME_INVALID', 'invalid repository name', {
    detail: {
      name: name.slice(0, maxNameLength),
      rule: 'lower case, digits, single . _ - between',
    },
  })
}

export function isTag(text: string): boolean {
  return tagPattern.test(text)
}

/** What stands behind a name, as it is stored (with prefix). A first part with a dot is a registry's host. */
export function kindOf(name: string): RepositoryKind {
  const parts = name.split('/')
  const first = parts[0] ?? ''
  if (first === 'heroku') {
    if (parts.length !== 3)
      throw new RegistryError(
        'NAME_INVALID',
        'an app’s image is named APP/PROCESS_TYPE, as in my-app/web',
      )
    return { kind: 'app', app: parts[1]!, process: parts[2]! }
  }
  if (first.includes('.') && parts.length > 1)
    return { kind: 'mirror', upstream: first, path: parts.slice(1).join('/') }
  return { kind: 'project', path: name }
}
