import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, expect, test } from 'vitest'
import { all } from '../../test/contract/blobs.ts'
import { callAt, sha256Of, startRegistry } from '../../test/support/registry.ts'
import { createFsBlobs, createMemoryBlobs } from '../blobs/index.ts'
import { manualClock } from '../lib/index.ts'

const root = '_:token-root'
const never = new AbortController().signal
const cleanups: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'slipway-registry-'))
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

async function start(options: Parameters<typeof startRegistry>[0]) {
  const on = await startRegistry(options)
  cleanups.push(() => on.close())
  return on
}

test('S-55 a full disk while a layer is pushed ends in a clear error, and leaves nothing behind', async () => {
  const on = await start({ blobs: createMemoryBlobs({ capacityBytes: 1000 }) })
  await expectFullDisk(on, 2000)
  expect(
    (await on.pushImage('docker.io/library/small', 'v1', 'fits', { as: root })).answer,
  ).toMatchObject({ status: 201 })
})

test('S-55 the same on a real disk', async context => {
  const directory = newDirectory()
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', directory])
  if (mounted.status !== 0) return context.skip('mounting a small disk needs root')
  cleanups.push(() => void spawnSync('umount', [directory]))
  const on = await start({ blobs: createFsBlobs({ directory }) })
  await expectFullDisk(on, 8_000_000)
  expect(readdirSync(join(directory, 'uploads'))).toEqual([])
  const pushed = await on.pushImage('docker.io/library/small', 'v1', 'fits', { as: root })
  expect(pushed.answer.status).toBe(201)
})

async function expectFullDisk(on: Awaited<ReturnType<typeof startRegistry>>, sizeBytes: number) {
  const started = await on.call('/v2/docker.io/library/big/blobs/uploads/', {
    as: root,
    method: 'POST',
  })
  const path = started.headers.location!
  const body = Buffer.alloc(sizeBytes, 'x')
  const answer = await on.call(path, { as: root, method: 'PATCH', body })
  expect(answer).toMatchObject({ status: 507, code: 'UNAVAILABLE' })
  expect(answer.json().errors[0].message).toMatch(/no space left.*\. .+/)
  expect((await on.call(path, { as: root })).status).toBe(404)
  const blob = await on.call(`/v2/docker.io/library/big/blobs/${sha256Of(body)}`, { as: root })
  expect(blob.status).toBe(404)
}

test('kill -9 in the middle of an upload: what was acknowledged is there, the upload goes on', async () => {
  const directory = newDirectory()
  const script = `
    const { startRegistry } = await import(${JSON.stringify(new URL('../../test/support/registry.ts', import.meta.url).href)})
    const { createFsBlobs } = await import(${JSON.stringify(new URL('../blobs/index.ts', import.meta.url).href)})
    const on = await startRegistry({
      file: ${JSON.stringify(join(directory, 'db'))},
      blobs: createFsBlobs({ directory: ${JSON.stringify(join(directory, 'blobs'))} }),
    })
    console.log(on.port)
  `
  const boot = async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    cleanups.push(() => void child.kill('SIGKILL'))
    const [port] = await once(createInterface(child.stdout), 'line')
    return { child, port: Number(port) }
  }
  const first = await boot()
  const uploads = '/v2/docker.io/library/x/blobs/uploads/'
  const whole = await callAt(first.port, `${uploads}?digest=${sha256Of('acknowledged')}`, {
    as: root,
    method: 'POST',
    body: 'acknowledged',
  })
  expect(whole.status).toBe(201)
  const started = await callAt(first.port, uploads, { as: root, method: 'POST' })
  const at = started.headers.location!
  expect((await callAt(first.port, at, { as: root, method: 'PATCH', body: 'abc' })).status).toBe(
    202,
  )
  const endless = async function* () {
    for (;;) yield Buffer.from('d')
  }
  const broken = callAt(first.port, at, { as: root, method: 'PATCH', body: endless() })
  broken.catch(() => {})
  const id = at.split('/').at(-1)!
  while (readFileSync(join(directory, 'blobs/uploads', id)).length < 100) await moment()
  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  await expect(broken).rejects.toThrow()

  const second = await boot()
  const blob = `/v2/docker.io/library/x/blobs/${sha256Of('acknowledged')}`
  expect((await callAt(second.port, blob, { as: root })).body.toString()).toBe('acknowledged')
  const progress = await callAt(second.port, at, { as: root })
  const size = Number(progress.headers.range!.split('-')[1]) + 1
  expect(size).toBeGreaterThanOrEqual(100)
  const digest = sha256Of(`abc${'d'.repeat(size - 3)}end`)
  const done = await callAt(second.port, `${at}?digest=${digest}`, {
    as: root,
    method: 'PUT',
    body: 'end',
  })
  expect(done.status).toBe(201)
})

const moment = () => new Promise(resolve => setImmediate(resolve))

test('S-36 a blob that rots on disk never arrives whole, and can be pushed again', async () => {
  const directory = newDirectory()
  const on = await start({ blobs: createFsBlobs({ directory }) })
  const as = root
  const { digest } = await on.pushBlob('docker.io/library/rot', 'healthy bytes', { as })
  const hex = digest.slice(7)
  const rot = () =>
    writeFileSync(join(directory, 'blobs/sha256', hex.slice(0, 2), hex), 'healthy byteZ')
  const path = `/v2/docker.io/library/rot/blobs/${digest}`
  rot()
  await expect(on.call(path)).rejects.toThrow()
  expect((await on.call(path, { method: 'HEAD' })).status).toBe(404)
  await on.pushBlob('docker.io/library/rot', 'healthy bytes', { as })
  expect((await on.call(path)).body.toString()).toBe('healthy bytes')
  rot()
  expect(await on.registry.scrub(never)).toEqual({ checked: 1, damaged: [digest] })
  expect((await on.call(path)).status).toBe(404)
})

test('garbage: what a manifest, a tag, an index or a pin needs stays; the rest goes after its grace', async () => {
  const clock = manualClock(Date.now())
  const blobs = createMemoryBlobs({ clock })
  const on = await start({ blobs, clock })
  const name = 'docker.io/library/app'
  const as = root
  const old = await on.pushImage(name, 'latest', 'old', { as })
  const released = await on.pushImage(name, 'latest', 'released', { as })
  const current = await on.pushImage(name, 'latest', 'current', { as })
  const loose = await on.pushBlob(name, 'no manifest needs me', { as })
  await blobs.put(Buffer.from('not the registry’s'))
  const upload = await on.call(`/v2/${name}/blobs/uploads/`, { as, method: 'POST' })
  const collect = (isDryRun: boolean) =>
    on.registry.collectGarbage({
      isDryRun,
      pins: new Map([[released.digest, 'release v2 of shop']]),
      untaggedAfterMs: 7 * 24 * 3_600_000,
      signal: never,
    })
  expect((await collect(false)).blobs).toEqual([])
  clock.advance(8 * 24 * 3_600_000)
  const young = await on.pushBlob(name, 'just pushed', { as })
  const plan = await collect(true)
  expect(plan).toMatchObject({
    uploads: 1,
    manifests: [{ repository: name, digest: old.digest }],
    pinned: [{ repository: name, digest: released.digest, by: 'release v2 of shop' }],
  })
  const report = await collect(false)
  expect(report.blobs.map(blob => blob.digest).sort()).toEqual(
    [loose.digest, old.layer.digest, old.config.digest].sort(),
  )
  expect((await on.call(upload.headers.location!, { as })).status).toBe(404)
  for (const image of [released, current])
    for (const { digest } of [image.config, image.layer])
      expect(await blobs.stat(digest)).toBeDefined()
  expect(await blobs.stat(young.digest)).toBeDefined()
  expect(await blobs.stat(sha256Of('not the registry’s'))).toBeDefined()
  expect(await on.registry.resolve(name, old.digest)).toBeUndefined()
  expect((await all(blobs.list())).length).toBe(6)
})

test('an image in use is not deleted, and the answer says what uses it', async () => {
  let used = ''
  const on = await start({
    usedBy: async digest => (digest === used ? 'web of release v2 of shop' : undefined),
  })
  const image = await on.pushImage('docker.io/a/x', 'latest', 'x', { as: root })
  used = image.digest
  const path = `/v2/docker.io/a/x/manifests/${image.digest}`
  const refused = await on.call(path, { as: root, method: 'DELETE' })
  expect(refused).toMatchObject({ status: 409, code: 'DENIED' })
  expect(refused.json().errors[0].message).toContain('release v2 of shop')
  used = ''
  expect((await on.call(path, { as: root, method: 'DELETE' })).status).toBe(202)
})

test('S-35 pushes, pulls, deletes and garbage collection side by side lose nothing', async () => {
  const clock = manualClock(Date.now())
  const blobs = createMemoryBlobs({ clock })
  const on = await start({ blobs, clock })
  const as = root
  const names = ['docker.io/a/x', 'docker.io/a/y']
  const push = async (round: number) => {
    const name = names[round % 2]!
    const { answer } = await on.pushImage(name, `t${round % 5}`, `content ${round % 7}`, { as })
    // The clock jumps: a layer may have passed its grace between its push and its manifest's.
    if (answer.status !== 201) expect(answer.code).toBe('MANIFEST_BLOB_UNKNOWN')
  }
  const options = { isDryRun: false, pins: new Map(), untaggedAfterMs: 1, signal: never }
  for (let round = 0; round < 150; round++) {
    clock.advance(round % 4 === 0 ? 25 * 3_600_000 : 10)
    await Promise.all([
      push(round),
      push(round + 1),
      on.registry.collectGarbage(options),
      on.call(`/v2/${names[0]}/manifests/t${round % 5}`, { as, method: 'DELETE' }),
    ])
    for (const name of names)
      for (const tag of await on.registry.tags(name)) {
        const manifest = await on.registry.resolve(name, tag.digest)
        for (const { digest } of manifest!.blobs) expect(await blobs.stat(digest)).toBeDefined()
      }
  }
})
