import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startRegistry, type TestRegistry } from '../../../test/support/registry.ts'
import { Secret } from '../../lib/index.ts'
import { type Layer, type LayerRecipe, layerOf, recipeId } from './layer.ts'
import type { Packages } from './packages.ts'
import { assemble, push } from './push.ts'
import type { StandIn } from './stand-in.ts'

const noPackages: Packages = { closure: async () => [] }
const recipe: LayerRecipe = { name: 'tiny', files: [{ path: '/hello', content: 'hello\n' }] }
const tiny: StandIn = {
  name: 'tiny',
  repository: 'docker.io/library/tiny',
  tags: ['latest', 'small'],
  layers: [recipe],
  config: { command: ['cat', '/hello'], exposedPorts: ['80/tcp'], volumes: ['/data'] },
  about: 'for tests',
}
let directory: string
let registry: TestRegistry
let layer: Layer

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'slipway-push-'))
  registry = await startRegistry()
  layer = await layerOf(recipe, { directory, packages: noPackages })
})
afterEach(async () => {
  await registry.close()
  await rm(directory, { recursive: true, force: true })
})

const server = (token = 'token-root') => ({
  origin: `http://127.0.0.1:${registry.port}`,
  token: new Secret(token),
})

describe('push', () => {
  it('puts the image into the mirror under all of its tags', async () => {
    const { digest, wasThere } = await push(server(), tiny, [layer])
    expect(wasThere).toBe(false)
    for (const tag of tiny.tags) {
      const found = await registry.registry.resolve(tiny.repository, tag)
      expect(found?.digest).toBe(digest)
      expect(found?.blobs.map(blob => blob.digest)).toContain(layer.digest)
    }
  })

  it('sends nothing the second time', async () => {
    const first = await push(server(), tiny, [layer])
    const events = registry.events.length
    expect(await push(server(), tiny, [layer])).toEqual({ digest: first.digest, wasThere: true })
    expect(registry.events.length).toBe(events)
  })

  it('says what the registry answered when it refuses', async () => {
    await expect(push(server('token-alice'), tiny, [layer])).rejects.toThrow(
      /registry answered 40[13]/,
    )
  })

  it('says that the server is gone', async () => {
    await expect(
      push({ ...server(), origin: 'http://127.0.0.1:1' }, tiny, [layer]),
    ).rejects.toThrow('http://127.0.0.1:1 does not answer')
  })
})

describe('assemble', () => {
  it('makes the same image of the same layers', () => {
    expect(assemble(tiny, [layer]).digest).toBe(assemble(tiny, [layer]).digest)
    const configuration = JSON.parse(assemble(tiny, [layer]).config.toString())
    expect(configuration.rootfs.diff_ids).toEqual([layer.diffId])
    expect(configuration.config).toMatchObject({
      Cmd: ['cat', '/hello'],
      ExposedPorts: { '80/tcp': {} },
      Volumes: { '/data': {} },
    })
  })
})

describe('layerOf', () => {
  it('finds a layer that was made before, and makes another for another recipe', async () => {
    const never: Packages = {
      closure: async () => {
        throw new Error('asked for packages')
      },
    }
    expect(await layerOf(recipe, { directory, packages: never })).toEqual(layer)
    const other = { ...recipe, packages: ['bash'] }
    await expect(layerOf(other, { directory, packages: never })).rejects.toThrow('asked')
  })

  it('is known by everything that goes into it', () => {
    const ids = [
      recipe,
      { ...recipe, stamp: '2' },
      { ...recipe, skip: /doc/ },
      { ...recipe, files: [{ path: '/hello', content: 'hallo\n' }] },
      { ...recipe, on: { name: 'below' } },
    ].map(recipeId)
    expect(new Set(ids).size).toBe(ids.length)
  })
})
