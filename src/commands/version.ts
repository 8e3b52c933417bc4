import { readFileSync } from 'node:fs'
import { Command } from 'commander'

/** As package.json says. */
export function version(): string {
  const manifest = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as { version: string }
  return manifest.version
}

export function versionCommand(): Command {
  return new Command('version')
    .description('print the version of Slipway and of Node')
    .action(() => {
      console.log(`slipway ${version()} (node ${process.versions.node})`)
    })
}
