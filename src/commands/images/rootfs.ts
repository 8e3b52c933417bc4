import { lstat, readdir, readlink, realpath, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { Failure } from '../../lib/index.ts'
import { Entries } from './entries.ts'
import { sharedLibraries } from './libraries.ts'
import { addApplets, addSkeleton, appletsOf, findBusybox } from './skeleton.ts'
import { tar } from './tar.ts'

export interface RootfsSpec {
  /** Absolute paths of ELF programs or scripts of this machine; each lands on the same path, with the shared libraries that it names. */
  programs?: readonly string[]
  /** `from` is a file of this machine, `content` text or bytes. Default mode: the file's own, 0644 for content. */
  files?: readonly { path: string; content?: string | Uint8Array; from?: string; mode?: number }[]
  /** Whole directories of this machine, such as an unpacked package; `skip` names what stays out by its path in the image. */
  trees?: readonly { path: string; from: string; skip?: (path: string) => boolean }[]
  /** Symbolic links: `path` points to `target`. */
  links?: readonly { path: string; target: string }[]
  directories?: readonly { path: string; mode?: number; uid?: number }[]
  /** usr-merged directories, passwd, group, nsswitch.conf, the CA bundle, and busybox with its applets when the machine has it. */
  skeleton: boolean
  /** Whether `/bin`, `/lib` … are links into `/usr` (a skeleton's are); set it for a layer above a skeleton. */
  usrMerged?: boolean
  /** Links to the `/usr/bin/busybox` that a tree brings, instead of the machine's busybox: the names of its applets. */
  applets?: readonly string[] | undefined
}

/**
 * A root file system as a tar: sorted, every time 0, every owner root (unless `uid` says otherwise), so the same files give the same bytes.
 * Later parts win: skeleton, trees, programs, files, links, directories; applets only fill gaps.
 * Errors: `Failure('not_found')` for a file that isn't there, `Failure('unavailable')` when a library is missing.
 */
export async function* rootfs(spec: RootfsSpec): AsyncIterable<Uint8Array> {
  const entries = new Entries(spec.usrMerged ?? spec.skeleton)
  if (spec.skeleton) await addSkeleton(entries)
  for (const tree of spec.trees ?? []) await addTree(entries, tree)
  const libraries = new Set<string>()
  for (const program of spec.programs ?? []) {
    await addFile(entries, program, program, 0o755)
    for (const library of await sharedLibraries(await realpath(program))) libraries.add(library)
  }
  const busybox = spec.skeleton && !spec.applets ? await findBusybox() : undefined
  if (busybox !== undefined) {
    await addFile(entries, 'usr/bin/busybox', busybox, 0o755)
    for (const library of await sharedLibraries(busybox)) libraries.add(library)
  }
  for (const library of libraries)
    if (!entries.has(library)) await addFile(entries, library, library, 0o755)
  for (const file of spec.files ?? [])
    if (file.from !== undefined) await addFile(entries, file.path, file.from, file.mode)
    else {
      const source = Buffer.from(file.content ?? '')
      entries.set(file.path, { type: 'file', mode: file.mode ?? 0o644, uid: 0, source })
    }
  for (const link of spec.links ?? [])
    entries.set(link.path, { type: 'symlink', target: link.target })
  for (const { path, mode = 0o755, uid = 0 } of spec.directories ?? [])
    entries.set(path, { type: 'directory', mode, uid })
  addApplets(entries, spec.applets ?? (busybox === undefined ? [] : await appletsOf(busybox)))
  yield* tar(entries.sorted())
}

async function addFile(entries: Entries, path: string, from: string, mode?: number) {
  const info = await stat(from).catch((cause: NodeJS.ErrnoException) => {
    throw new Failure('not_found', `${from}: ${cause.code === 'ENOENT' ? 'no such file' : cause}`)
  })
  if (!info.isFile()) throw new Failure('invalid', `${from} is not a file`)
  const source = { path: await realpath(from) }
  entries.set(path, { type: 'file', mode: mode ?? info.mode & 0o7777, uid: 0, source })
}

async function addTree(
  entries: Entries,
  tree: NonNullable<RootfsSpec['trees']>[number],
): Promise<void> {
  const firstOfInode = new Map<string, string>()
  const children = await readdir(tree.from, { withFileTypes: true, recursive: true })
  const paths = children.map(child => relative(tree.from, join(child.parentPath, child.name)))
  for (const inside of paths.sort()) {
    const path = entries.normalise(join(tree.path, inside))
    if (tree.skip?.(path)) continue
    const from = join(tree.from, inside)
    const info = await lstat(from)
    const inode = `${info.dev}:${info.ino}`
    const first = info.nlink > 1 ? firstOfInode.get(inode) : undefined
    const mode = info.mode & 0o7777
    if (info.isDirectory()) entries.set(path, { type: 'directory', mode, uid: 0 })
    else if (info.isSymbolicLink())
      entries.set(path, { type: 'symlink', target: await readlink(from) })
    else if (first !== undefined) entries.set(path, { type: 'hardlink', target: first })
    else if (info.isFile()) {
      entries.set(path, { type: 'file', mode, uid: 0, source: { path: from } })
      firstOfInode.set(inode, path)
    }
  }
}
