import { fileURLToPath } from 'node:url'
import { run } from './programs.ts'
import { instanceOf, type TestServer } from './server.ts'

const program = fileURLToPath(new URL('../../bin/slipway', import.meta.url))

/** Containers on the engine that carry this instance's label. */
export async function containersOf(server: TestServer, ...filters: string[]): Promise<string[]> {
  const more = filters.flatMap(filter => ['--filter', filter])
  const listed = await run('docker', [
    'ps',
    '-aq',
    '--filter',
    `label=slipway.instance=${instanceOf(server)}`,
    ...more,
  ])
  return listed.stdout.split('\n').filter(line => line !== '')
}

/** Puts stand-ins into the server's mirror, from the machine's cache when they are there. */
export async function seedImages(server: TestServer, names: string[]): Promise<void> {
  const seeded = await run(program, ['admin', 'images', 'seed', '--data', server.data, ...names], {
    timeoutMs: 240_000,
  })
  if (seeded.exitCode !== 0) throw new Error(`seeding failed: ${seeded.stdout}${seeded.stderr}`)
}
