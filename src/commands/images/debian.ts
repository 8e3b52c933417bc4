import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LayerRecipe } from './layer.ts'
import type { UnpackedPackage } from './packages.ts'
import type { RootfsSpec } from './rootfs.ts'
import { type StandIn, usualPath } from './stand-in.ts'

/** Debian's essential packages, and apt. */
const packages = [
  'apt',
  'base-files',
  'base-passwd',
  'bash',
  'bsdutils',
  'coreutils',
  'dash',
  'debianutils',
  'diffutils',
  'dpkg',
  'findutils',
  'grep',
  'gzip',
  'hostname',
  'init-system-helpers',
  'libc-bin',
  'login',
  'mawk',
  'ncurses-base',
  'ncurses-bin',
  'passwd',
  'perl-base',
  'sed',
  'sysvinit-utils',
  'tar',
  'util-linux',
]

/** What libpam-runtime's installation script makes: without it neither su nor login lets anybody in. */
const pam = ['auth', 'account', 'password', 'session', 'session-noninteractive'].map(name => {
  const kind = name.split('-')[0]
  return { path: `/etc/pam.d/common-${name}`, content: `${kind} required pam_unix.so\n` }
})

const layer: LayerRecipe = {
  name: 'debian',
  packages,
  skeleton: true,
  files: pam,
  links: [
    { path: '/usr/bin/awk', target: 'mawk' },
    { path: '/etc/os-release', target: '../usr/lib/os-release' },
  ],
  directories: [
    { path: '/var/cache/apt/archives/partial' },
    { path: '/var/lib/apt/lists/partial' },
    { path: '/var/lib/dpkg/updates' },
    { path: '/var/lib/dpkg/triggers' },
    { path: '/var/log/apt' },
  ],
  derive: async all => [
    ...(await accounts(all)),
    ...(await dpkgDatabase(all)),
    ...(await packageSources()),
  ],
  stamp: 'status 2',
}

/** base-passwd's master files: what its installation script would have put in place. */
async function accounts(
  all: readonly UnpackedPackage[],
): Promise<NonNullable<RootfsSpec['files']>> {
  const from = all.find(one => one.name === 'base-passwd')?.directory
  if (from === undefined) return []
  const passwd = await readFile(join(from, 'usr/share/base-passwd/passwd.master'), 'utf8')
  const group = await readFile(join(from, 'usr/share/base-passwd/group.master'), 'utf8')
  const names = passwd.split('\n').flatMap(line => line.split(':')[0] || [])
  return [
    { path: '/etc/passwd', content: passwd.replaceAll(':*:', ':x:') },
    { path: '/etc/group', content: group.replaceAll(':*:', ':x:') },
    {
      path: '/etc/shadow',
      content: names.map(name => `${name}:*:19000:0:99999:7:::\n`).join(''),
      mode: 0o640,
    },
  ]
}

/** What dpkg knows: every package as installed, with the list of its files. */
async function dpkgDatabase(
  all: readonly UnpackedPackage[],
): Promise<NonNullable<RootfsSpec['files']>> {
  const lists = await Promise.all(
    all.map(async one => {
      const paths = await readdir(one.directory, { recursive: true })
      const name = /^Multi-Arch: same$/m.test(one.control)
        ? `${one.name}:${one.architecture}`
        : one.name
      const content = ['/.', ...paths.map(path => `/${path}`).sort()].join('\n')
      return { path: `/var/lib/dpkg/info/${name}.list`, content: `${content}\n` }
    }),
  )
  const status = all.map(
    ({ control }) => `${control.trim().replace('\n', '\nStatus: install ok installed\n')}\n`,
  )
  return [
    { path: '/var/lib/dpkg/status', content: status.join('\n') },
    { path: '/var/lib/dpkg/available', content: '' },
    ...lists,
  ]
}

/** This machine's package sources, unless they carry a password. */
async function packageSources(): Promise<NonNullable<RootfsSpec['files']>> {
  const found = ['sources.list', 'sources.list.d/debian.sources', 'sources.list.d/ubuntu.sources']
    .map(name => `/etc/apt/${name}`)
    .filter(path => existsSync(path))
  const files = await Promise.all(
    found.map(async path => ({ path, content: await readFile(path, 'utf8') })),
  )
  return files.filter(({ content }) => !/:\/\/[^\s/]*@/.test(content))
}

export const debian: StandIn = {
  name: 'debian',
  repository: 'docker.io/library/debian',
  tags: ['bookworm-slim'],
  layers: [layer],
  config: { command: ['bash'], env: [usualPath] },
  about:
    "this system's essential packages with apt and dpkg, unpacked without running their installation scripts",
}
