import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { base } from './base.ts'
import type { LayerRecipe } from './layer.ts'
import { nodeLayer } from './node.ts'
import { type StandIn, usualPath } from './stand-in.ts'

const place = '/usr/local/lib/heroku/heroku.ts'
const layer: LayerRecipe = {
  name: 'heroku-cli',
  on: base,
  files: [
    { path: place, content: readFileSync(join(import.meta.dirname, 'heroku/heroku.ts')) },
    { path: '/usr/bin/heroku', mode: 0o755, content: `#!/bin/sh\nexec node ${place} "$@"\n` },
  ],
}

export const herokuCli: StandIn = {
  name: 'heroku-cli',
  repository: 'docker.io/wingrunr21/alpine-heroku-cli',
  tags: ['latest'],
  layers: [base, nodeLayer, layer],
  config: { entrypoint: ['/usr/bin/heroku'], command: [], env: [usualPath] },
  about: "Slipway's own small CLI on Node: container:release only",
}
