/** `kill -9` in the middle: afterwards what was acknowledged is there, what was cut off comes to an end, and nothing is left behind. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { busyboxRoot } from '../support/busybox.ts'
import { containersOf, seedImages } from '../support/engine.ts'
import { git, run } from '../support/programs.ts'
import { ciFile, createProject, type TestProject } from '../support/project.ts'
import { rootToken, startServer, type TestServer, until } from '../support/server.ts'

let server: TestServer
const projects: TestProject[] = []

async function project(name: string): Promise<TestProject> {
  const made = await createProject(server, `root/${name}`)
  projects.push(made)
  return made
}

async function restart(): Promise<void> {
  await server.crash()
  await server.start()
}

beforeAll(async () => {
  server = await startServer()
  await seedImages(server, ['busybox'])
})

afterAll(async () => {
  for (const one of projects) one.remove()
  await server.stop()
  expect(await containersOf(server)).toEqual([])
  await server.remove()
})

it('a job that runs fails, is tried again by itself, and the pipeline ends', async () => {
  const demo = await project('job')
  await demo.push({
    '.gitlab-ci.yml': ciFile({
      stages: ['test', 'ship'],
      unit: { stage: 'test', script: ['echo "line-$CI_JOB_ID"', 'sleep 4'] },
      ship: { stage: 'ship', script: ['echo shipped'] },
    }),
  })
  const cut = await demo.job('unit', 'running')
  const line = `line-${cut.id}\n`
  await until('its line', async () => (await demo.trace(cut.id)).includes(line))
  await restart()

  const pipeline = await demo.pipeline('master')
  expect(pipeline.status).toBe('success')
  const failed = await server.api<{ status: string; failure_reason: string }>(
    'GET',
    `/projects/root%2Fjob/jobs/${cut.id}`,
  )
  expect(failed).toMatchObject({ status: 'failed', failure_reason: 'runner_system_failure' })
  const trace = await demo.trace(cut.id)
  expect(trace).toContain(line)
  expect(trace).toContain('Slipway restarted while this job ran')
  const again = await demo.job('unit', 'success')
  expect(again.id).toBeGreaterThan(cut.id)
  await until('no container left', async () => (await containersOf(server)).length === 0)
})

it('a job that is being canceled is canceled', async () => {
  const demo = await project('canceled')
  await demo.push({ '.gitlab-ci.yml': ciFile({ t: { script: ['echo started', 'sleep 600'] } }) })
  const job = await demo.job('t', 'running')
  await until('its line', async () => (await demo.trace(job.id)).includes('started\n'))
  await server.api('POST', `/projects/root%2Fcanceled/jobs/${job.id}/cancel`)
  await restart()
  expect((await demo.pipeline('master')).status).toBe('canceled')
  expect((await demo.job('t')).id).toBe(job.id)
  await until('no container left', async () => (await containersOf(server)).length === 0)
})

it('a big push is there whole or not at all, and can be made again', async () => {
  const demo = await project('push')
  await demo.push({ README: 'first\n', '.gitlab-ci.yml': ciFile({ t: { script: ['true'] } }) })
  const before = await demo.pipeline('master')
  writeFileSync(path.join(demo.directory, 'big'), randomBytes(48 * 1024 * 1024))
  let isOver = false
  const pushing = demo.push({ README: 'second\n' }).finally(() => {
    isOver = true
  })
  const head = async () =>
    (await git(demo.directory, 'ls-remote', demo.remote, 'refs/heads/master')).stdout.slice(0, 40)
  // git keeps what arrives apart until the push is accepted.
  const arriving = async () =>
    isOver ||
    readdirSync(server.data, { recursive: true }).some(name => /tmp_|incoming/.test(`${name}`))
  await until('the pack to arrive', arriving, 60_000, 5)
  expect(isOver).toBe(false)
  await restart()

  const cut = await pushing
  const mine = cut.sha
  if (cut.exitCode === 0) expect(await head()).toBe(mine)
  else expect([before.sha, mine]).toContain(await head())
  const again = await git(demo.directory, 'push', '-q', demo.remote, 'master')
  expect(again.stderr).not.toMatch(/error|fatal/)
  expect(await head()).toBe(mine)
  const copy = mkdtempSync(path.join(tmpdir(), 'slipway-copy-'))
  try {
    const cloned = await git(copy, 'clone', '-q', demo.remote, 'copy')
    expect(cloned.stderr).toBe('')
    const checked = await git(path.join(copy, 'copy'), 'fsck', '--full', '--strict')
    expect(checked.exitCode).toBe(0)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
  const after = await until('the pipeline of the push', async () => {
    const newest = await demo.pipeline('master')
    return newest.sha === mine ? newest : undefined
  })
  expect(after.status).toBe('success')
})

it('a blob whose upload was acknowledged is there; one that was cut off can be sent again', async () => {
  await server.api('POST', '/projects', { name: 'blobs', path: 'blobs' })
  const registry = `${server.url}/v2/root/blobs/blobs`
  const headers = { authorization: `Basic ${Buffer.from(`root:${rootToken}`).toString('base64')}` }
  const content = randomBytes(8 * 1024 * 1024)
  const digestOf = (bytes: Uint8Array) =>
    `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  const begin = async () => {
    const begun = await fetch(`${registry}/uploads/`, { method: 'POST', headers })
    expect(begun.status).toBe(202)
    return new URL(begun.headers.get('location')!, registry).href
  }
  const send = async (bytes: Buffer<ArrayBuffer>) => {
    const address = new URL(await begin())
    address.searchParams.set('digest', digestOf(bytes))
    return fetch(address, { method: 'PUT', headers, body: bytes })
  }
  expect((await send(content)).status).toBe(201)

  const other = randomBytes(64 * 1024 * 1024)
  const address = await begin()
  let sent = 0
  const cut = fetch(address, {
    method: 'PATCH',
    headers: { ...headers, 'content-type': 'application/octet-stream' },
    body: new ReadableStream({
      async pull(controller) {
        const chunk = other.subarray(sent, sent + 1024 * 1024)
        sent += chunk.byteLength
        controller.enqueue(chunk)
        if (sent >= other.byteLength) controller.close()
      },
    }),
    duplex: 'half',
  } as RequestInit).then(
    () => 'answered',
    () => 'broken off',
  )
  await until('half of the upload', async () => sent > other.byteLength / 4, 30_000, 1)
  await restart()
  await cut

  const there = await fetch(`${registry}/${digestOf(content)}`, { headers })
  expect(digestOf(new Uint8Array(await there.arrayBuffer()))).toBe(digestOf(content))
  expect((await fetch(`${registry}/${digestOf(other)}`, { headers })).status).toBe(404)
  expect((await send(other)).status).toBe(201)
  const whole = await fetch(`${registry}/${digestOf(other)}`, { headers })
  expect(digestOf(new Uint8Array(await whole.arrayBuffer()))).toBe(digestOf(other))
})

/** Status of the app's front page, asked for at Slipway's router; 0: no answer. */
function statusOf(app: string): Promise<number> {
  return new Promise(resolve => {
    const asked = request(
      {
        host: '127.0.0.1',
        port: server.port,
        headers: { host: `${app}.localhost:${server.port}` },
      },
      response => {
        response.resume()
        resolve(response.statusCode ?? 0)
      },
    )
    asked.on('error', () => resolve(0))
    asked.end()
  })
}

async function pushImage(app: string): Promise<string> {
  const image = `localhost:${server.port}/heroku/${app}/web`
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-image-'))
  try {
    const chunks: Uint8Array[] = []
    for await (const chunk of busyboxRoot()) chunks.push(chunk)
    writeFileSync(path.join(folder, 'root.tar'), Buffer.concat(chunks))
    const env = { DOCKER_CONFIG: folder }
    const docker = async (args: string[], input?: string) => {
      const ran = await run('docker', args, { env, input })
      if (ran.exitCode !== 0) throw new Error(`docker ${args[0]}: ${ran.stderr}`)
      return ran.stdout.trim()
    }
    const command =
      'mkdir -p /tmp/www && echo hello > /tmp/www/index.html && exec httpd -f -p $PORT -h /tmp/www'
    await docker([
      ...['import', '--change', 'ENV PATH=/bin'],
      ...['--change', `CMD ${JSON.stringify(['sh', '-c', command])}`],
      ...[path.join(folder, 'root.tar'), image],
    ])
    await docker(['login', '-u', '_', '--password-stdin', `localhost:${server.port}`], rootToken)
    await docker(['push', '-q', image])
    const id = await docker(['image', 'inspect', '-f', '{{.Id}}', image])
    await docker(['image', 'rm', image])
    return id
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

it('a release ends, the app answers, and it runs once', async () => {
  const app = 'crash-app'
  await server.heroku('POST', '/apps', { name: app })
  const image = await pushImage(app)
  await server.heroku('PATCH', `/apps/${app}/formation`, {
    updates: [{ type: 'web', docker_image: image }],
  })
  await until('the app to answer', async () => (await statusOf(app)) === 200, 60_000)

  await server.heroku('PATCH', `/apps/${app}/config-vars`, { COLOR: 'blue' })
  await server.crash()
  expect((await containersOf(server)).length).toBeGreaterThan(0)
  await server.start()

  await until('the app to answer again', async () => (await statusOf(app)) === 200, 60_000)
  expect(await server.heroku('GET', `/apps/${app}/config-vars`)).toMatchObject({ COLOR: 'blue' })
  const last = await until(
    'the last release to end',
    async () => {
      const releases = await server.heroku<{ version: number; status: string; current: boolean }[]>(
        'GET',
        `/apps/${app}/releases`,
      )
      const newest = releases.sort((a, b) => b.version - a.version)[0]!
      return newest.status === 'pending' ? undefined : newest
    },
    60_000,
  )
  expect(last).toMatchObject({ status: 'succeeded', current: true })
  await until('one container', async () => (await containersOf(server)).length === 1, 60_000)
  expect(await statusOf(app)).toBe(200)
  await server.heroku('DELETE', `/apps/${app}`)
  await until('no container left', async () => (await containersOf(server)).length === 0)
})
