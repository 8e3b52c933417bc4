import path from 'node:path/posix'
import type { Commit, TreeEntry } from './index.ts'

const space = 0x20
const nul = 0
const shaBytes = 20

/** A commit object's text (git-cat-file's contents of one). */
export function parseCommit(sha: string, bytes: Buffer): Commit {
  const text = bytes.toString('utf8')
  const end = text.indexOf('\n\n')
  const head = end < 0 ? text : text.slice(0, end)
  const message = end < 0 ? '' : text.slice(end + 2)
  const author = personOf(head, 'author')
  const committer = personOf(head, 'committer')
  return {
    sha,
    parents: [...head.matchAll(/^parent ([0-9a-f]{40})$/gm)].map(match => match[1]!),
    title: message.trimStart().split('\n', 1)[0]!.trimEnd(),
    message,
    authorName: author.name,
    authorEmail: author.email,
    authoredAt: author.at,
    committerName: committer.name,
    committerEmail: committer.email,
    committedAt: committer.at,
  }
}

function personOf(head: string, role: string): { name: string; email: string; at: number } {
  const line = new RegExp(`^${role} (.*?) ?<([^>\\n]*)> (-?\\d+)`, 'm').exec(head)
  if (line === null) return { name: '', email: '', at: 0 }
  return { name: line[1]!, email: line[2]!, at: Number(line[3]) * 1000 }
}

/** A tree object's entries: mode, space, name, NUL, 20 bytes of SHA-1, and again. `below` is the tree's path. */
export function parseTree(bytes: Buffer, below: string): TreeEntry[] {
  const entries: TreeEntry[] = []
  for (let at = 0; at < bytes.length; ) {
    const nameAt = bytes.indexOf(space, at) + 1
    const shaAt = bytes.indexOf(nul, nameAt) + 1
    const mode = bytes.toString('latin1', at, nameAt - 1).padStart(6, '0')
    const name = bytes.toString('utf8', nameAt, shaAt - 1)
    const sha = bytes.toString('hex', shaAt, shaAt + shaBytes)
    entries.push({ name, path: path.join(below, name), mode, type: typeOf(mode), sha })
    at = shaAt + shaBytes
  }
  return entries
}

/** The output of `ls-tree -r -t -z`. */
export function parseTreeList(text: string, below: string): TreeEntry[] {
  const lines = text.split('\0').filter(line => line !== '')
  return lines.map(line => {
    const [head = '', file = ''] = splitOnce(line, '\t')
    const [mode = '', type = '', sha = ''] = head.split(' ')
    return {
      name: path.basename(file),
      path: path.join(below, file),
      mode,
      type: type as TreeEntry['type'],
      sha,
    }
  })
}

function splitOnce(text: string, at: string): [string, string] {
  const index = text.indexOf(at)
  return index < 0 ? [text, ''] : [text.slice(0, index), text.slice(index + at.length)]
}

function typeOf(mode: string): TreeEntry['type'] {
  if (mode === '040000') return 'tree'
  return mode === '160000' ? 'commit' : 'blob'
}

/** Without `.`, empty parts and the slashes around; undefined for a path that leaves the tree. */
export function cleanPath(file: string): string | undefined {
  const parts = file.split('/').filter(part => part !== '' && part !== '.')
  return parts.includes('..') ? undefined : parts.join('/')
}
