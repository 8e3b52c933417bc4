import { readFileSync } from 'node:fs'
import path from 'node:path'
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

/** Removes all that the instance of this data directory left on the engine: apps, networks, volumes, and the images that it pulled from itself. */
export async function removeInstance(data: string, port: number): Promise<void> {
  const id = readFileSync(path.join(data, 'keys/instance-id'), 'utf8').trim()
  const label = ['--filter', `label=slipway.instance=${id}`]
  const lines = async (...args: string[]) =>
    (await run('docker', args)).stdout.split('\n').filter(line => line !== '')
  for (const one of await lines('ps', '-aq', ...label)) await run('docker', ['rm', '-fv', one])
  for (const one of await lines('network', 'ls', '-q', ...label))
    await run('docker', ['network', 'rm', one])
  for (const one of await lines('volume', 'ls', '-q', ...label))
    await run('docker', ['volume', 'rm', one])
  const images = await lines('images', '--no-trunc', '--format', '{{.Repository}} {{.ID}}')
  const own = images
    .filter(line => line.startsWith(`127.0.0.1:${port}/`))
    .map(line => line.split(' ')[1]!)
  for (const one of new Set(own)) {
    // several instances may have pulled the same image: only our names go
    const names = await lines(
      'image',
      'inspect',
      '--format',
      '{{range .RepoTags}}{{println .}}{{end}}{{range .RepoDigests}}{{println .}}{{end}}',
      one,
    )
    for (const name of names.filter(name => name.startsWith(`127.0.0.1:${port}/`)))
      await run('docker', ['rmi', name])
  }
}
