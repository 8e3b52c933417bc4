/** A process that runs apps on Docker and stands in the middle of a release when it says so: for tests that kill it. */
import { connectionFrom, createDockerEngine } from '../../src/engine/docker/index.ts'
import { openStore } from '../../src/store/index.ts'
import { by, openAppsWorld, user } from './apps.ts'

const [file, instanceId, name, first, second, moment] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
]
const engine = createDockerEngine(connectionFrom(process.env))
const store = await openStore(file)
const world = await openAppsWorld(engine, { instanceId, store })
const app = await world.apps.create({ name, owner: user })
await world.deploy(app.id, first)
await world.apps.updateFormation(app.id, [{ type: 'web', image: second }], by)
if (moment === 'starting')
  await world.until(async () => {
    const { containers } = await engine.list({ 'slipway.app': app.id })
    return containers.filter(one => one.status === 'running').length === 2
  })
if (moment === 'succeeded')
  await world.until(async () => (await world.apps.releases(app.id)).at(-1)!.status === 'succeeded')
process.stdout.write('now\n')
