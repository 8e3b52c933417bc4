import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { base } from './base.ts'
import { nodeLayer } from './node.ts'
import { type StandIn, usualPath } from './stand-in.ts'

const place = '/usr/local/lib/heroku/heroku.ts'
const authority = '/usr/local/share/ca-certificates/slipway.crt'

/** `certificates`: PEM of the authority that signs for `api.heroku.com` and `registry.heroku.com` on this instance. */
export function herokuCli(certificates?: string): StandIn {
  const program = readFileSync(join(import.meta.dirname, 'heroku/heroku.ts'))
  const files = [
    { path: place, content: program },
    { path: '/usr/bin/heroku', mode: 0o755, content: `#!/bin/sh\nexec node ${place} "$@"\n` },
  ]
  if (certificates !== undefined)
    files.push({ path: authority, content: Buffer.from(certificates) })
  const trust = certificates === undefined ? [] : [`NODE_EXTRA_CA_CERTS=${authority}`]
  return {
    repository: 'docker.io/wingrunr21/alpine-heroku-cli',
    tags: ['latest'],
    layers: [base, nodeLayer, { name: 'heroku-cli', on: base, files }],
    config: { entrypoint: ['/usr/bin/heroku'], command: [], env: [usualPath, ...trust] },
    about: "Slipway's own small CLI on Node: container:release only",
  }
}
