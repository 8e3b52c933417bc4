import { Failure } from '../../lib/index.ts'

/** One thing in a root file system. Paths have no leading slash. */
export type Entry =
  | { type: 'directory'; mode: number; uid: number }
  | { type: 'file'; mode: number; uid: number; source: Uint8Array | { path: string } }
  | { type: 'symlink'; target: string }
  /** The same file as another path of the tree. */
  | { type: 'hardlink'; target: string }

const mergedIntoUsr = new Set(['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'])

/** Collects a root file system by path; what comes later replaces what was there. */
export class Entries {
  readonly #byPath = new Map<string, Entry>()
  readonly #usrMerged: boolean

  constructor(usrMerged: boolean) {
    this.#usrMerged = usrMerged
  }

  /** `/bin/sh` → `usr/bin/sh` where `/bin` is a link to `usr/bin`. Throws `Failure('invalid')` for a path that leaves the root. */
  normalise(path: string): string {
    const segments = path.split('/').filter(one => one !== '' && one !== '.')
    if (segments.includes('..')) throw new Failure('invalid', `${path}: .. in an image path`)
    if (this.#usrMerged && segments.length > 1 && mergedIntoUsr.has(segments[0]!))
      segments.unshift('usr')
    return segments.join('/')
  }

  set(path: string, entry: Entry): void {
    const name = this.normalise(path)
    if (name === '') return
    const before = this.#byPath.get(name)
    // A package's directory must not replace the link that the usr-merge put there, in this layer or in the one below.
    if (entry.type === 'directory' && before !== undefined && before.type !== 'directory') return
    if (entry.type === 'directory' && this.#usrMerged && mergedIntoUsr.has(name)) return
    this.#byPath.set(name, entry)
  }

  has(path: string): boolean {
    return this.#byPath.has(this.normalise(path))
  }

  /** Every entry with its missing parents, parents first, in byte order: the same tree always gives the same list. */
  sorted(): [string, Entry][] {
    const all = new Map(this.#byPath)
    for (const path of this.#byPath.keys())
      for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
        const parent = path.slice(0, at)
        if (!all.has(parent)) all.set(parent, { type: 'directory', mode: 0o755, uid: 0 })
      }
    return [...all].sort(([a], [b]) => (a < b ? -1 : 1))
  }
}
