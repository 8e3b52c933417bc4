import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { base } from './base.ts'
import type { LayerRecipe } from './layer.ts'
import { type StandIn, usualPath } from './stand-in.ts'

/** The Node that Slipway itself runs on. */
export const nodeLayer: LayerRecipe = {
  name: 'node',
  on: base,
  packages: ['libatomic1'],
  omit: /^gcc-\d+-base$/,
  files: [
    { path: '/usr/local/bin/node', from: process.execPath, mode: 0o755 },
    {
      path: '/etc/passwd',
      content:
        'root:x:0:0:root:/root:/bin/bash\nnode:x:1000:1000::/home/node:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n',
    },
    { path: '/etc/group', content: 'root:x:0:\nnode:x:1000:\nnogroup:x:65534:\n' },
  ],
  links: [{ path: '/usr/local/bin/nodejs', target: 'node' }],
  directories: [{ path: '/home/node', uid: 1000 }],
  stamp: process.version,
}

/** npm, where this machine has it beside a Node. */
function npmLayer(): LayerRecipe | undefined {
  const places = [
    join(dirname(process.execPath), '../lib/node_modules/npm'),
    '/usr/lib/node_modules/npm',
    '/usr/local/lib/node_modules/npm',
    '/usr/share/nodejs/npm',
  ]
  const from = places.find(place => existsSync(join(place, 'bin/npm-cli.js')))
  if (from === undefined) return undefined
  return {
    name: 'npm',
    on: base,
    trees: [{ path: '/usr/local/lib/node_modules/npm', from, skip: /\/npm\/(docs|man)\// }],
    links: ['npm', 'npx'].map(name => ({
      path: `/usr/local/bin/${name}`,
      target: `../lib/node_modules/npm/bin/${name}-cli.js`,
    })),
  }
}

export function node(): StandIn {
  const npm = npmLayer()
  return {
    name: 'node',
    repository: 'docker.io/library/node',
    tags: ['24-slim'],
    layers: npm === undefined ? [base, nodeLayer] : [base, nodeLayer, npm],
    config: {
      command: ['node'],
      env: [usualPath, `NODE_VERSION=${process.version.slice(1)}`],
    },
    about: `Node ${process.version.slice(1)}${npm ? ' with npm' : ' without npm'}, bash and busybox instead of Debian's programs; no apt`,
  }
}
