import { existsSync, readFileSync } from 'node:fs'
import { rootfs } from '../../src/commands/images/rootfs.ts'
import type { Engine } from '../../src/engine/index.ts'

const programs = [
  '/usr/bin/docker',
  '/usr/sbin/dockerd',
  '/usr/bin/containerd',
  '/usr/bin/containerd-shim-runc-v2',
  '/usr/sbin/runc',
  '/usr/bin/docker-proxy',
  '/usr/sbin/docker-proxy',
  '/usr/sbin/xtables-nft-multi',
  '/usr/bin/openssl',
]
/** Where iptables finds its matches and targets. */
const extensions = ['/usr/lib/x86_64-linux-gnu/xtables', '/usr/lib/aarch64-linux-gnu/xtables']
const entrypoints = new URL('../../src/commands/images/docker/', import.meta.url)

/** Whether this machine has what `importInnerDocker` packs. */
export const hasDockerPrograms = ['/usr/sbin/dockerd', '/usr/sbin/runc'].every(existsSync)

/** Docker's client and daemon of this machine as one image, quicker to make than the product's stand-in and with its entry points. */
export async function importInnerDocker(engine: Engine, reference: string): Promise<void> {
  const script = (name: string) => ({
    path: `/usr/local/bin/${name}`,
    content: readFileSync(new URL(name, entrypoints)),
    mode: 0o755,
  })
  const tar = rootfs({
    skeleton: true,
    programs: programs.filter(existsSync),
    trees: extensions.filter(existsSync).map(path => ({ path, from: path })),
    files: [
      script('dockerd-entrypoint.sh'),
      script('docker-entrypoint.sh'),
      { path: '/usr/bin/docker-init', content: '#!/bin/sh\nshift\nexec "$@"\n', mode: 0o755 },
    ],
    links: ['iptables', 'ip6tables'].map(name => ({
      path: `/usr/sbin/${name}`,
      target: 'xtables-nft-multi',
    })),
  })
  await engine.importImage(tar, reference, [
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'VOLUME /var/lib/docker',
    'EXPOSE 2375 2376',
    'ENTRYPOINT ["dockerd-entrypoint.sh"]',
  ])
}
