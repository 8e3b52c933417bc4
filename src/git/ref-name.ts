/** Ref names, stricter than git's own rules (git-check-ref-format): also nothing that a program could take for an option. */

export const zeros = '0'.repeat(40)
const maxRefBytes = 255
const shaPattern = /^[0-9a-f]{40}$/

export function isSha(text: string): boolean {
  return shaPattern.test(text)
}

/** What is wrong with this full ref name (`refs/heads/x`), as the end of a sentence; undefined: nothing. */
export function refProblem(ref: string): string | undefined {
  if (!ref.startsWith('refs/')) return 'does not begin with refs/'
  if (Buffer.byteLength(ref) > maxRefBytes) return `is longer than ${maxRefBytes} bytes`
  const parts = ref.split('/')
  if (parts.length < 3) return 'has no name behind its kind'
  for (const part of parts) {
    const problem = partProblem(part)
    if (problem !== undefined) return problem
  }
  // a name that reads as a commit's would hide it
  return isSha(parts.slice(2).join('/')) ? 'looks like a commit' : undefined
}

function partProblem(part: string): string | undefined {
  if (part === '') return 'has an empty part'
  if (part.startsWith('-')) return 'has a part that begins with -'
  if (part.startsWith('.') || part.endsWith('.')) return 'has a part that begins or ends with a dot'
  if (part.endsWith('.lock')) return 'has a part that ends in .lock'
  if (/[\u0000-\u0020\u007f~^:?*[\\\ufffd]|\.\.|@\{/.test(part) || part === '@')
    return 'has a character or sequence that is not allowed'
  return undefined
}

/** `main`, `v1.2`, `feature/x`, `refs/heads/main`, `HEAD`, a SHA or the beginning of one; each with `~2` or `^` behind. */
export function isRevision(revision: string): boolean {
  const [, name = ''] = /^(.*?)(?:[~^]\d{0,4}){0,20}$/.exec(revision) ?? []
  if (name === 'HEAD' || /^[0-9a-f]{4,40}$/.test(name)) return true
  return refProblem(name.startsWith('refs/') ? name : `refs/heads/${name}`) === undefined
}

/** The names to try for a revision, in order. A branch wins over a tag of its name, a full SHA over both. */
export function candidates(revision: string): string[] {
  if (revision === 'HEAD' || revision.startsWith('refs/') || isSha(revision)) return [revision]
  if (revision.startsWith('HEAD~') || revision.startsWith('HEAD^')) return [revision]
  const named = [`refs/heads/${revision}`, `refs/tags/${revision}`]
  return /^[0-9a-f]{4,39}([~^]|$)/.test(revision) || /^[0-9a-f]{40}[~^]/.test(revision)
    ? [...named, revision]
    : named
}
