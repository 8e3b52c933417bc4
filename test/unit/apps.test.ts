import fc from 'fast-check'
import { expect, test } from 'vitest'
import { changeConfig } from '../../src/apps/config-vars.ts'
import { LineCutter, maxLineBytes } from '../../src/apps/log-lines.ts'
import { createMemoryEngine, exits, hangs, web } from '../../src/engine/memory/index.ts'
import { by, openAppsWorld, user } from '../support/apps.ts'

function answering(text: string, prepare: () => void = () => {}) {
  return web({
    listener: process => (request, response) => {
      if (request.url === '/die') process.killed.dispatchEvent(new Event('abort'))
      prepare()
      if (request.url === '/slow') setTimeout(() => response.end(text), 30)
      else response.end(request.url === '/env' ? JSON.stringify(process.env) : text)
    },
  })
}

function newEngine() {
  const engine = createMemoryEngine()
  engine.addImage('app:1', answering('one'))
  engine.addImage('app:2', answering('two'))
  engine.addImage('broken:1', exits(3, 'cannot find module\n'))
  engine.addImage('deaf:1', hangs)
  return engine
}

const containers = async (engine: ReturnType<typeof newEngine>) =>
  (await engine.list({ 'slipway.kind': 'app' })).containers

test('a release boots, gets the traffic, and tells its story', async () => {
  const engine = newEngine()
  await using world = await openAppsWorld(engine)
  const app = await world.apps.create({ name: 'shop', owner: user })
  expect((await world.get('shop')).status).toBe(502)
  const release = await world.deploy(app.id, 'app:1')
  expect(release).toMatchObject({ version: 2, status: 'succeeded', current: true })
  expect(release.description).toMatch(/^Deployed web \([0-9a-f]{12}\)$/)
  await world.until(async () => (await world.apps.route(app.id)).state === 'up')
  expect(await world.get('shop')).toEqual({ status: 200, body: 'one' })
  expect(JSON.parse((await world.get('shop', '/env')).body)).toMatchObject({
    DYNO: 'web.1',
    PORT: '5000',
  })
  expect(await world.apps.dynos(app.id)).toMatchObject([
    { name: 'web.1', state: 'up', releaseVersion: 2 },
  ])
  const log = await world.log(app.id)
  for (const line of [
    'app[api]: Initial release by user ada@example.com',
    `app[api]: ${release.description} by user ada@example.com`,
    'app[api]: Release v2 created by user ada@example.com',
    'heroku[web.1]: State changed from starting to up',
    'app[web.1]: listening on 5000',
  ])
    expect(log).toContain(line)
  expect(log).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00 app\[api\]: /)
})

test('no request is lost while one release takes over from another', async () => {
  const engine = newEngine()
  await using world = await openAppsWorld(engine)
  const app = await world.apps.create({ name: 'shop', owner: user })
  await world.deploy(app.id, 'app:1')
  await world.until(async () => (await world.get('shop')).status === 200)
  const seen: string[] = []
  let isOver = false
  const visitors = Array.from({ length: 6 }, async () => {
    while (!isOver) {
      const { status, body } = await world.get('shop', '/slow')
      seen.push(`${status} ${body}`)
    }
  })
  await world.deploy(app.id, 'app:2')
  await world.until(async () => (await containers(engine)).length === 1)
  await world.until(() => seen.at(-1) === '200 two')
  isOver = true
  await Promise.all(visitors)
  expect(new Set(seen)).toEqual(new Set(['200 one', '200 two']))
})

test('a release that does not boot leaves the old one serving and says why', async () => {
  const engine = newEngine()
  await using world = await openAppsWorld(engine, { timing: { bootMs: 200 } })
  const app = await world.apps.create({ name: 'shop', owner: user })
  await world.deploy(app.id, 'app:1')
  const broken = await world.deploy(app.id, 'broken:1')
  expect(broken).toMatchObject({ version: 3, status: 'failed', current: false })
  expect(broken.failure).toMatch(/Process exited with status 3[\s\S]*cannot find module/)
  const deaf = await world.deploy(app.id, 'deaf:1')
  expect(deaf.failure).toContain('Error R10 (Boot timeout)')
  expect(await world.get('shop')).toEqual({ status: 200, body: 'one' })
  expect(await containers(engine)).toHaveLength(1)
  const next = await world.apps.setConfig(app.id, { FOO: 'bar' }, by)
  expect(next).toEqual({ FOO: 'bar' })
  const newest = (await world.apps.releases(app.id)).at(-1)!
  const settled = await world.apps.released(newest.id, AbortSignal.timeout(5_000))
  expect(settled).toMatchObject({ version: 5, status: 'succeeded', config: { FOO: 'bar' } })
  expect(settled.images['web']!.digest).not.toBe(deaf.images['web']!.digest)
})

test('an app whose first release fails is crashed, and has no container left', async () => {
  const engine = newEngine()
  await using world = await openAppsWorld(engine)
  const app = await world.apps.create({ name: 'shop', owner: user })
  expect((await world.deploy(app.id, 'broken:1')).status).toBe('failed')
  await world.until(async () => (await world.apps.route(app.id)).state === 'crashed')
  expect((await world.get('shop')).body).toContain('H10')
  expect(await containers(engine)).toEqual([])
})

test('a process that ends is started again, as often as it takes', async () => {
  const engine = newEngine()
  let starts = 0
  let die = () => {}
  engine.addImage('flaky:1', async process => {
    starts++
    if (starts > 1 && starts < 5) return 1
    const served = web()(process)
    const died = new Promise<number>(resolve => {
      die = () => resolve(1)
    })
    return Promise.race([served, died])
  })
  await using world = await openAppsWorld(engine)
  const app = await world.apps.create({ name: 'shop', owner: user })
  await world.deploy(app.id, 'flaky:1')
  die()
  await world.until(() => starts === 5)
  await world.until(async () => (await world.apps.dynos(app.id))[0]?.state === 'up')
  const log = await world.log(app.id)
  expect(log).toContain('heroku[web.1]: State changed from up to crashed')
  expect(log).toContain('heroku[web.1]: State changed from crashed to starting')
  await world.apps.setConfig(app.id, { A: '1' }, by)
  const newest = (await world.apps.releases(app.id)).at(-1)!
  const { status } = await world.apps.released(newest.id, AbortSignal.timeout(5_000))
  expect(status).toBe('succeeded')
})

test('scales up and down without a release', async () => {
  const engine = newEngine()
  await using world = await openAppsWorld(engine)
  const app = await world.apps.create({ name: 'shop', owner: user })
  await world.deploy(app.id, 'app:1')
  const scale = (quantity: string) =>
    world.apps.updateFormation(app.id, [{ type: 'web', quantity }], by)
  expect(await scale('+2')).toMatchObject([{ type: 'web', quantity: 3, size: 'Basic' }])
  await world.until(async () => (await world.apps.route(app.id)).backends.length === 3)
  await scale('0')
  await world.until(async () => (await containers(engine)).length === 0)
  expect((await world.apps.route(app.id)).state).toBe('none')
  expect(await world.apps.releases(app.id)).toHaveLength(2)
  await expect(
    world.apps.updateFormation(app.id, [{ type: 'clock', quantity: 1 }], by),
  ).rejects.toThrow("Couldn't find that process type (clock).")
  await expect(scale('many')).rejects.toThrow('not a quantity')
})

test('one release a change: none for the same image or the same config', async () => {
  await using world = await openAppsWorld(newEngine())
  const app = await world.apps.create({ name: 'shop', owner: user })
  await world.deploy(app.id, 'app:1')
  await world.apps.updateFormation(app.id, [{ type: 'web', image: 'app:1' }], by)
  await Promise.all([
    world.apps.setConfig(app.id, { A: '1', B: '2' }, by),
    world.apps.setConfig(app.id, { C: '3' }, by),
  ])
  await world.apps.setConfig(app.id, { A: '1', D: null }, by)
  await world.apps.setConfig(app.id, { A: null }, by)
  await world.apps.rollback(app.id, 2, by)
  const releases = await world.apps.releases(app.id)
  expect(releases.map(one => [one.version, one.description.replace(/\(.*/, '')])).toEqual([
    [1, 'Initial release'],
    [2, 'Deployed web '],
    [3, 'Set A, B config vars'],
    [4, 'Set C config vars'],
    [5, 'Remove A config vars'],
    [6, 'Rollback to v2'],
  ])
  expect(releases[4]!.config).toEqual({ B: '2', C: '3' })
  await world.apps.released(releases[5]!.id, AbortSignal.timeout(10_000))
  expect(await world.apps.config(app.id)).toEqual({})
  await world.until(async () =>
    (await world.apps.releases(app.id)).every(one => one.status === 'succeeded'),
  )
  const end = await world.apps.releases(app.id)
  expect(end.filter(one => one.current).map(one => one.version)).toEqual([6])
})

test('the next Slipway adopts what runs, and goes on with what was pending', async () => {
  const engine = newEngine()
  await using world = await openAppsWorld(engine)
  const app = await world.apps.create({ name: 'shop', owner: user })
  await world.deploy(app.id, 'app:1')
  await world.until(async () => (await world.log(app.id)).includes('app[web.1]: listening'))
  const before = (await containers(engine)).map(one => one.id)
  await world.stop()
  await engine.create({
    name: 'stranger',
    image: 'app:1',
    labels: { 'slipway.instance': 'test', 'slipway.kind': 'app', 'slipway.app': 'gone' },
  })
  world.start()
  await world.until(async () => (await world.apps.dynos(app.id)).length === 1)
  expect((await containers(engine)).map(one => one.id)).toEqual(before)
  expect(await world.get('shop')).toEqual({ status: 200, body: 'one' })
  await world.stop()
  expect((await world.log(app.id)).match(/app\[web\.1\]: listening/g)).toHaveLength(1)
  await world.apps.updateFormation(app.id, [{ type: 'web', image: 'app:2' }], by)
  world.start()
  const newest = (await world.apps.releases(app.id)).at(-1)!
  expect(newest.status).toBe('pending')
  await world.apps.released(newest.id, AbortSignal.timeout(5_000))
  await world.until(async () => (await world.get('shop')).body === 'two')
})

test('a restart replaces the process after its successor is up', async () => {
  const engine = newEngine()
  await using world = await openAppsWorld(engine)
  const app = await world.apps.create({ name: 'shop', owner: user })
  await world.deploy(app.id, 'app:1')
  const [old] = await containers(engine)
  await world.apps.restart(app.id, {}, by)
  await world.until(async () => {
    const now = await containers(engine)
    return now.length === 1 && now[0]!.id !== old!.id
  })
  expect(await world.get('shop')).toEqual({ status: 200, body: 'one' })
  await expect(world.apps.restart(app.id, { name: 'web.9' }, by)).rejects.toThrow('find that dyno')
})

test('maintenance, renaming and destroying', async () => {
  const engine = newEngine()
  await using world = await openAppsWorld(engine)
  const app = await world.apps.create({ name: 'shop', owner: user })
  await world.deploy(app.id, 'app:1')
  await world.apps.update(app.id, { maintenance: true }, by)
  expect((await world.get('shop')).body).toContain('H80')
  await world.apps.update(app.id, { maintenance: false, name: 'store' }, by)
  expect((await world.get('store')).status).toBe(200)
  expect((await world.get('shop')).status).toBe(404)
  await world.apps.destroy(app.id)
  expect((await world.get('store')).status).toBe(404)
  expect(await containers(engine)).toEqual([])
  expect(await world.apps.find('store')).toBeUndefined()
})

test('names and images are checked', async () => {
  await using world = await openAppsWorld(newEngine())
  for (const name of ['ab', '1abc', 'Shop', 'shop-', 'a'.repeat(31), 'registry', '--x'])
    await expect(world.apps.create({ name, owner: user })).rejects.toThrow(/^Name /)
  const app = await world.apps.create({ name: 'shop', owner: user })
  await expect(world.apps.create({ name: 'shop', owner: user })).rejects.toThrow('already taken')
  expect((await world.apps.create({ owner: user })).name).toMatch(/^[a-z]+-[a-z]+-\d{5}$/)
  await expect(world.deploy(app.id, 'missing:1')).rejects.toThrow("Couldn't find that image")
})

test('S-41 config vars come back exactly, or are refused', () => {
  const value = fc.string({ maxLength: 100 }).filter(one => !one.includes('\0'))
  const name = fc.string({ minLength: 1, maxLength: 40 }).filter(one => !/[=\0]/.test(one))
  fc.assert(
    fc.property(fc.dictionary(name, value), fc.dictionary(name, value), (before, change) => {
      const { config } = changeConfig(before, change)
      for (const [key, one] of Object.entries(change)) expect(config[key]).toBe(one)
      for (const [key, one] of Object.entries(before))
        if (!Object.hasOwn(change, key)) expect(config[key]).toBe(one)
    }),
    { numRuns: 30 },
  )
  const odd = { A: 'a\nb\r\n', B: '="\'`$(id)\\', C: 'x'.repeat(65_536), PATH: '', D: 'é' }
  expect(changeConfig({}, odd).config).toEqual(odd)
  const refused: Record<string, string>[] = [
    { '': 'x' },
    { 'A=B': 'x' },
    { A: 'a\0b' },
    { A: 'x'.repeat(65_537) },
  ]
  for (const bad of refused) expect(() => changeConfig({}, bad)).toThrow()
})

test('output is cut into the same lines, however it comes', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.string({ unit: 'grapheme', maxLength: 30 }).map(one => one.replace(/[\r\n]/g, '')),
      ),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (lines, cuts) => {
        const bytes = Buffer.from(lines.map(line => `${line}\n`).join(''))
        const cutter = new LineCutter()
        const seen: string[] = []
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const end = at + cuts[turn % cuts.length]!
          seen.push(...cutter.push(bytes.subarray(at, end), turn).map(one => one.text))
          at = end
        }
        seen.push(...cutter.flush().map(one => one.text))
        expect(seen).toEqual(lines)
      },
    ),
  )
  const long = new LineCutter().push(Buffer.from(`${'é'.repeat(maxLineBytes)}\n`), 1)
  expect(long.map(one => one.text).join('')).toBe('é'.repeat(maxLineBytes))
  for (const { text } of long) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(maxLineBytes)
})
