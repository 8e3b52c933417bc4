import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Entries } from './entries.ts'

const run = promisify(execFile)

const directories = [
  'dev',
  'etc/ssl/certs',
  'home',
  'proc',
  'run',
  'sys',
  'usr/bin',
  'usr/lib',
  'usr/lib64',
  'usr/local/bin',
  'usr/sbin',
  'var/lib',
]

const files: Record<string, string> = {
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
}

const caBundle = '/etc/ssl/certs/ca-certificates.crt'

/** What every root file system here starts from: a usr-merged tree, root and nobody, and the machine's CA bundle. */
export async function addSkeleton(entries: Entries): Promise<void> {
  for (const path of directories) entries.set(path, { type: 'directory', mode: 0o755, uid: 0 })
  entries.set('root', { type: 'directory', mode: 0o700, uid: 0 })
  for (const path of ['tmp', 'var/tmp'])
    entries.set(path, { type: 'directory', mode: 0o1777, uid: 0 })
  for (const name of ['bin', 'sbin', 'lib', 'lib64'])
    entries.set(name, { type: 'symlink', target: `usr/${name}` })
  entries.set('var/run', { type: 'symlink', target: '../run' })
  for (const [path, text] of Object.entries(files))
    entries.set(path, { type: 'file', mode: 0o644, uid: 0, source: Buffer.from(text) })
  if (await exists(caBundle))
    entries.set(caBundle, { type: 'file', mode: 0o644, uid: 0, source: { path: caBundle } })
}

/** Where this machine has busybox, if it does. */
export async function findBusybox(): Promise<string | undefined> {
  for (const path of ['/usr/bin/busybox', '/bin/busybox']) if (await exists(path)) return path
  return undefined
}

/** The names that a busybox answers to. */
export async function appletsOf(busybox: string): Promise<string[]> {
  const { stdout } = await run(busybox, ['--list'], { timeout: 20_000 })
  return stdout.split('\n').filter(name => name !== '' && name !== 'busybox')
}

/** The applets of the busybox among these packages. */
export async function busyboxFrom(
  packages: readonly { name: string; directory: string }[],
): Promise<string[] | undefined> {
  const found = packages.find(one => one.name === 'busybox-static')
  if (found === undefined) return undefined
  for (const path of ['usr/bin/busybox', 'bin/busybox'])
    if (await exists(join(found.directory, path))) return appletsOf(join(found.directory, path))
  return undefined
}

/** A link for each applet whose name is still free. */
export function addApplets(entries: Entries, applets: readonly string[]): void {
  for (const applet of applets)
    if (!entries.has(`usr/bin/${applet}`) && !entries.has(`usr/sbin/${applet}`))
      entries.set(`usr/bin/${applet}`, { type: 'symlink', target: 'busybox' })
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
