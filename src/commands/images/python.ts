import { base } from './base.ts'
import type { LayerRecipe } from './layer.ts'
import { type StandIn, usualPath } from './stand-in.ts'

const layer: LayerRecipe = {
  name: 'python3.11',
  on: base,
  packages: ['python3.11'],
  omit: /^(gcc-\d+-base|perl-base|debconf|dpkg|tar|media-types|readline-common|tzdata|netbase|libselinux1|libtinfo6)$/,
  skip: /^usr\/(share\/(?!zoneinfo)|lib\/python3\.11\/(test|idlelib|tkinter|lib2to3|turtledemo|ensurepip|pydoc_data|config-3\.11[^/]*)\/)/,
  links: [
    { path: '/usr/local/bin/python3.11', target: '../../bin/python3.11' },
    { path: '/usr/local/bin/python3', target: 'python3.11' },
    { path: '/usr/local/bin/python', target: 'python3.11' },
  ],
}

export const python: StandIn = {
  name: 'python',
  repository: 'docker.io/library/python',
  tags: ['3.11-slim'],
  layers: [base, layer],
  config: {
    command: ['python3'],
    env: [usualPath, 'LANG=C.UTF-8'],
  },
  about:
    "the system's Python 3.11 with its standard library, bash and busybox instead of Debian's programs; no pip, no apt",
}
