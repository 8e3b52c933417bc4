import { expect, test } from 'vitest'
import { reportLines } from './registry.ts'
import { pinsOfReleases } from './registry-care.ts'

test('gc says what goes, what stays and why', () => {
  const report = {
    uploads: 1,
    manifests: [{ repository: 'a/b', digest: 'sha256:1' }],
    pinned: [
      { repository: 'heroku/shop/web', digest: 'sha256:2', by: 'web of release v3 of shop' },
    ],
    blobs: [{ digest: 'sha256:3', sizeBytes: 1_500_000 }],
    freedBytes: 1_500_000,
  }
  expect(reportLines(report, true)).toEqual([
    'would go: image a/b@sha256:1',
    'stays: image heroku/shop/web@sha256:2: web of release v3 of shop',
    'would go: layer sha256:3 (1500000 bytes)',
    '1 unfinished uploads, 1 images, 1 layers would go: 1.5 MB.',
  ])
})

test('every release pins its images, also the old ones', async () => {
  const image = (digest: string) => ({ repository: 'heroku/shop/web', digest, configDigest: 'c' })
  const release = (version: number, digest: string) => ({
    ...{ id: `r${version}`, appId: 'a', version, description: '', status: 'succeeded' as const },
    ...{ userId: 1, config: {}, current: version === 3, createdAt: 0, updatedAt: 0 },
    images: { web: image(digest) },
  })
  const app = { id: 'a', name: 'shop', ownerId: 1, maintenance: false, createdAt: 0, updatedAt: 0 }
  const pins = await pinsOfReleases({
    apps: async () => [app],
    releases: async () => [release(2, 'sha256:old'), release(3, 'sha256:new')],
  })
  expect([...pins]).toEqual([
    ['sha256:old', 'web of release v2 of shop'],
    ['sha256:new', 'web of release v3 of shop'],
  ])
})
