import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { base } from './base.ts'
import type { LayerRecipe } from './layer.ts'
import { type StandIn, usualPath } from './stand-in.ts'

function program(name: string, path: string, mode = 0o755) {
  return { path, mode, content: readFileSync(join(import.meta.dirname, 'docker', name)) }
}

/** Part of docker.io's dependencies for its installation, not for running it. */
const installationOnly =
  /^(adduser|debconf|dmsetup|dpkg|gcc-\d+-base|init-system-helpers|libacl1|libattr1|libaudit.*|libcap-ng0|libdb5\.3|libfile-find-rule-perl|libgdbm.*|libmd0|libnumber-compare-perl|libpam.*|libperl.*|libsemanage.*|libsepol.*|libtext-glob-perl|lsb-base|netbase|passwd|perl|perl-modules-.*|sysvinit-utils|tar|usrmerge|sensible-utils|libtinfo6)$/

const docker: LayerRecipe = {
  name: 'docker-cli',
  on: base,
  packages: ['docker.io'],
  omit: /^(?!docker\.io$)/,
  skip: /^(?!usr\/bin\/docker$|usr\/bin$|usr$)/,
  files: [program('docker-entrypoint.sh', '/usr/local/bin/docker-entrypoint.sh')],
}

const legacy = ['iptables', 'ip6tables'].flatMap(name =>
  ['', '-save', '-restore'].map(suffix => ({
    path: `/usr/local/sbin/.iptables-legacy/${name}${suffix}`,
    target: '/usr/sbin/xtables-legacy-multi',
  })),
)
const nft = legacy.map(({ path }) => ({
  path: path.replace('/usr/local/sbin/.iptables-legacy', '/usr/sbin'),
  target: 'xtables-nft-multi',
}))

const daemon: LayerRecipe = {
  name: 'docker-daemon',
  on: base,
  packages: ['docker.io', 'containerd', 'runc', 'iptables', 'tini', 'perl-base', 'openssl', 'pigz'],
  omit: installationOnly,
  skip: /^usr\/(bin\/(docker|dnet|ctr|containerd-stress|containerd-shim|containerd-shim-runc-v1|perl5.*|tini)|sbin\/ovrouter|share\/.*)$/,
  files: [
    program('dockerd-entrypoint.sh', '/usr/local/bin/dockerd-entrypoint.sh'),
    program('listen.pl', '/usr/local/lib/docker/listen.pl', 0o644),
    { path: '/etc/group', content: 'root:x:0:\ndocker:x:2375:\nnogroup:x:65534:\n' },
  ],
  links: [...legacy, ...nft],
  directories: [{ path: '/certs/client' }, { path: '/etc/docker' }, { path: '/var/lib/docker' }],
}

export const dockerCli: StandIn = {
  name: 'docker',
  repository: 'docker.io/library/docker',
  tags: ['cli'],
  layers: [base, docker],
  config: {
    entrypoint: ['docker-entrypoint.sh'],
    command: ['sh'],
    env: [usualPath, 'DOCKER_TLS_CERTDIR=/certs'],
  },
  about: "the system's docker client; no compose, no buildx, no git",
}

/** `latest` and `dind` are one image, as on Docker Hub. */
export const dockerEngine: StandIn = {
  name: 'docker',
  repository: 'docker.io/library/docker',
  tags: ['latest', 'dind'],
  layers: [base, docker, daemon],
  config: {
    entrypoint: ['dockerd-entrypoint.sh'],
    command: [],
    env: [usualPath, 'DOCKER_TLS_CERTDIR=/certs'],
    exposedPorts: ['2375/tcp', '2376/tcp'],
    volumes: ['/var/lib/docker'],
  },
  about: "the system's Docker Engine, containerd and runc; no compose, no buildx, no git",
}
