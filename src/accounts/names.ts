/** What names may look like: they become URLs, folders of the registry and lines in people's terminals. */
import { Failure } from '../lib/index.ts'

const pathPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/
const maxPathLength = 255
const maxNameLength = 255
const maxDepth = 20

/** First path segments that Slipway answers itself, and prefixes of the registry's other kinds of repository. */
const reserved = new Set([
  '-',
  'admin',
  'api',
  'apps',
  'assets',
  'dashboard',
  'explore',
  'groups',
  'health',
  'help',
  'heroku',
  'jwt',
  'login',
  'logplex',
  'metrics',
  'new',
  'oauth',
  'pipelines',
  'profile',
  'projects',
  'public',
  'registry',
  'runners',
  'search',
  'settings',
  'static',
  'system',
  'user',
  'users',
  'v1',
  'v2',
  'yourself',
])

const pathRule =
  "can contain only letters, digits, '_', '-' and '.'. Cannot start with '-' or '.', end in '.', '.git' or '.atom', or have two special characters in a row"

/** Undefined when the segment is fine, else what is wrong with it. */
export function pathProblem(segment: string): string | undefined {
  if (segment.length === 0) return "can't be blank"
  if (segment.length > maxPathLength) return `is too long (maximum is ${maxPathLength} characters)`
  if (!pathPattern.test(segment) || /\.(git|atom)$|\.$|[._-]\.|\.[._-]/i.test(segment))
    return pathRule
  return undefined
}

/** Names of users and of top-level groups share one space: `https://host/{name}/…`. */
export function rootPathProblem(segment: string): string | undefined {
  if (reserved.has(segment.toLowerCase())) return 'is a reserved name'
  if (segment.includes('.')) return "can't contain a dot: it would read as a registry's host"
  return pathProblem(segment)
}

/** Throws `Failure('invalid')` with `details` by field unless every problem is undefined. */
export function check(what: string, problems: Record<string, string | undefined>): void {
  const found = Object.entries(problems).filter(entry => entry[1] !== undefined)
  if (found.length === 0) return
  const text = found.map(([field, problem]) => `${field} ${problem}`).join('; ')
  const details = Object.fromEntries(found.map(([field, problem]) => [field, [problem]]))
  throw new Failure('invalid', `The ${what} can't be saved: ${text}.`, { details })
}

/** Segments of `company/team`; throws when it is too deep or a segment is wrong. */
export function pathSegments(fullPath: string): string[] {
  const segments = fullPath.split('/')
  const [root = '', ...rest] = segments
  check('group', {
    path:
      segments.length > maxDepth
        ? `is too deep (maximum is ${maxDepth} levels)`
        : (rootPathProblem(root) ?? rest.map(pathProblem).find(one => one !== undefined)),
  })
  return segments
}

export function nameProblem(name: string): string | undefined {
  if (name.trim().length === 0) return "can't be blank"
  if (name.length > maxNameLength) return `is too long (maximum is ${maxNameLength} characters)`
  if (/[\u0000-\u001f\u007f]/.test(name)) return "can't contain control characters"
  return undefined
}

export function emailProblem(email: string): string | undefined {
  return email.length <= 254 && /^[^\s@<>"]+@[^\s@<>"]+$/.test(email) ? undefined : 'is invalid'
}

export function passwordProblem(password: string, username: string): string | undefined {
  if (password.length < 8) return 'is too short (minimum is 8 characters)'
  if (password.length > 128) return 'is too long (maximum is 128 characters)'
  if (password.toLowerCase() === username.toLowerCase()) return "can't be the username"
  return undefined
}

/** `docs/x` → a branch name that git would take; the few rules that matter for a default branch. */
export function branchProblem(branch: string): string | undefined {
  const bad =
    branch.length === 0 ||
    branch.length > 250 ||
    /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|^[-/.]|[/.]$|\.lock(\/|$)|\/\./.test(branch)
  return bad ? 'is not a valid branch name' : undefined
}
