import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectionFrom, createDockerEngine } from '../../src/engine/docker/index.ts'
import { systemRandom, uuid } from '../../src/lib/index.ts'
import { by, openAppsWorld, user } from '../support/apps.ts'
import { busyboxRoot } from '../support/busybox.ts'

const run = uuid(systemRandom).slice(0, 8)
const engine = createDockerEngine(connectionFrom(process.env))
const image = (name: string) => `slipway-apps-test/${run}:${name}`
const open = (timing = {}) => openAppsWorld(engine, { instanceId: `test-${run}`, timing })
const containers = async () =>
  (await engine.list({ 'slipway.instance': `test-${run}`, 'slipway.kind': 'app' })).containers

/** Busybox as an app that serves one file, or does something else. */
async function importApp(name: string, command: string) {
  await engine.importImage(busyboxRoot(), image(name), [
    'ENV PATH=/bin',
    `CMD ["sh", "-c", ${JSON.stringify(command)}]`,
  ])
}
const serve = (text: string) =>
  `printf %s "$GREETING" > /tmp/greeting; echo ${text} > /tmp/index.html; echo ready on $PORT; trap 'kill $child; exit 143' TERM; httpd -f -p $PORT -h /tmp & child=$!; wait`

beforeAll(async () => {
  await importApp('one', serve('one'))
  await importApp('two', serve('two'))
  await importApp('broken', 'echo cannot find module >&2; exit 3')
  await importApp('mortal', `${serve('mortal')} & sleep 3; echo oh no; exit 1`)
})

afterAll(async () => {
  const left = await engine.list({ 'slipway.instance': `test-${run}` })
  for (const { id } of left.containers) await engine.remove(id)
  for (const { id } of left.networks) await engine.removeNetwork(id)
  for (const name of ['one', 'two', 'broken', 'mortal']) await engine.removeImage(image(name))
  await engine.close()
})

test('a release under load loses no request; a broken one changes nothing; restart adopts', async () => {
  await using world = await open()
  const { apps } = world
  const app = await apps.create({ name: 'shop', owner: user })
  expect((await world.deploy(app.id, image('one'))).status).toBe('succeeded')
  await world.until(async () => (await world.get('shop')).status === 200)
  expect((await world.get('shop')).body).toBe('one\n')

  const seen = new Map<string, number>()
  let isOver = false
  const visitors = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      const { status, body } = await world.get('shop')
      const key = `${status} ${body.trim()}`
      seen.set(key, (seen.get(key) ?? 0) + 1)
    }
  })
  expect((await world.deploy(app.id, image('two'))).status).toBe('succeeded')
  await world.until(async () => (await containers()).length === 1)
  await world.until(() => seen.has('200 two'))
  const broken = await world.deploy(app.id, image('broken'))
  isOver = true
  await Promise.all(visitors)
  expect([...seen.keys()].sort()).toEqual(['200 one', '200 two'])
  expect(broken).toMatchObject({ status: 'failed', current: false })
  expect(broken.failure).toMatch(/status 3[\s\S]*cannot find module/)
  expect((await world.get('shop')).body).toBe('two\n')

  const before = (await containers()).map(one => one.id)
  await world.stop()
  world.start()
  await world.until(async () => (await world.apps.route(app.id)).state === 'up')
  expect((await containers()).map(one => one.id)).toEqual(before)
  expect((await world.get('shop')).body).toBe('two\n')
  await world.stop()
  expect((await world.log(app.id)).match(/app\[web\.1\]: ready on 5000/g)).toHaveLength(2)
  world.start()
  await world.apps.destroy(app.id)
  expect(await containers()).toEqual([])
})

test('a process that ends comes back, and config vars reach it exactly', async () => {
  await using world = await open()
  const { apps } = world
  const app = await apps.create({ name: 'mortal', owner: user })
  const greeting = `a "b" $(c) 'd'\n=é`
  await apps.setConfig(app.id, { GREETING: greeting }, by)
  await world.deploy(app.id, image('mortal'))
  const [first] = await containers()
  await world.until(async () =>
    (await world.log(app.id)).includes('State changed from up to crashed'),
  )
  await world.until(async () => (await apps.dynos(app.id))[0]?.state === 'up')
  const [second] = await containers()
  expect(second!.id).not.toBe(first!.id)
  expect(await world.log(app.id)).toContain('app[web.1]: oh no')
  expect(await world.get('mortal', '/greeting')).toEqual({ status: 200, body: greeting })
  await apps.destroy(app.id)
  expect(await containers()).toEqual([])
})
