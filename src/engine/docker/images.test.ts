import { describe, expect, it } from 'vitest'
import { manualClock } from '../../lib/index.ts'
import type { PullProgress } from '../index.ts'
import { followProgress, registryAuth, splitReference } from './images.ts'
import type { WireProgress } from './wire.ts'

describe('splitReference', () => {
  it('finds the tag or digest, and assumes latest', () => {
    const digest = `sha256:${'a'.repeat(64)}`
    const cases: [string, string, string][] = [
      ['busybox', 'busybox', 'latest'],
      ['busybox:1', 'busybox', '1'],
      ['localhost:5000/a/b', 'localhost:5000/a/b', 'latest'],
      ['localhost:5000/a/b:2', 'localhost:5000/a/b', '2'],
      [`host/a@${digest}`, 'host/a', digest],
      [`host:1/a:tag@${digest}`, 'host:1/a', digest],
    ]
    for (const [reference, name, tag] of cases)
      expect(splitReference(reference)).toEqual({ name, tag })
  })
})

describe('registryAuth', () => {
  it('is padded, whatever its length', () => {
    for (const username of ['u', 'us', 'use', 'user'])
      expect(registryAuth({ username, password: 'p' }, 'a.b/c').length % 4).toBe(0)
  })

  it('names the registry that the credentials are for', () => {
    const read = (reference: string) =>
      JSON.parse(
        Buffer.from(
          registryAuth({ username: 'u', password: 'p' }, reference),
          'base64url',
        ).toString(),
      )
    expect(read('registry.example.com/a/b:1')).toEqual({
      username: 'u',
      password: 'p',
      serveraddress: 'registry.example.com',
    })
    expect(read('localhost/a').serveraddress).toBe('localhost')
    expect(read('team/app').serveraddress).toBe('https://index.docker.io/v1/')
    expect(read('app').serveraddress).toBe('https://index.docker.io/v1/')
  })
})

describe('followProgress', () => {
  it('adds layers and bytes up, a few times a second and at the end', async () => {
    const clock = manualClock()
    const told: PullProgress[] = []
    async function* lines(): AsyncGenerator<WireProgress> {
      yield { status: 'Pulling from library/node', id: '24' }
      yield { status: 'Pulling fs layer', id: 'a' }
      yield { status: 'Pulling fs layer', id: 'b' }
      yield { status: 'Already exists', id: 'c' }
      clock.advance(300)
      yield { status: 'Downloading', id: 'a', progressDetail: { current: 10, total: 100 } }
      yield { status: 'Downloading', id: 'b', progressDetail: { current: 5, total: 50 } }
      yield { status: 'Download complete', id: 'a' }
      yield { status: 'Extracting', id: 'a', progressDetail: { current: 1, total: 100 } }
      yield { status: 'Pull complete', id: 'a' }
      clock.advance(300)
      yield { status: 'Downloading', id: 'b', progressDetail: { current: 25, total: 50 } }
      yield { status: 'Pull complete', id: 'b' }
      yield { status: 'Status: Downloaded newer image for node:24' }
    }
    await followProgress(lines(), clock, one => told.push(one))
    expect(told.map(({ text, ...counts }) => Object.values(counts))).toEqual([
      [0, 0, 0, 0],
      [3, 1, 10, 100],
      [3, 2, 125, 150],
      [3, 3, 150, 150],
    ])
    expect(told.at(-1)?.text).toBe('Status: Downloaded newer image for node:24')
  })

  it('throws what the engine reports', async () => {
    const cases: [string, string][] = [
      ['manifest for x/y:1 not found: manifest unknown: manifest unknown', 'not_found'],
      ['Get "https://r/v2/": dial tcp: lookup r on 1.1.1.1:53: no such host', 'unavailable'],
      ['unauthorized: authentication required', 'unauthorized'],
      ['denied: requested access to the resource is denied', 'forbidden'],
      ['toomanyrequests: You have reached your pull rate limit', 'unavailable'],
      ['failed to register layer: write /x: no space left on device', 'unavailable'],
      ['something new', 'invalid'],
    ]
    for (const [message, code] of cases) {
      const lines = (async function* (): AsyncGenerator<WireProgress> {
        yield { errorDetail: { message }, error: message }
      })()
      const failure = followProgress(lines, manualClock())
      await expect(failure).rejects.toMatchObject({ code, message })
    }
  })
})
