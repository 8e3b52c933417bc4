import { afterAll, beforeAll, expect, test } from 'vitest'
import { chunks } from '../../test/contract/blobs.ts'
import { imageOf, sha256Of, startRegistry, type TestRegistry } from '../../test/support/registry.ts'

let on: TestRegistry
const as = 'alice:password-alice'
beforeAll(async () => {
  on = await startRegistry()
  const namespace = await on.accounts.ensureNamespace('alice', on.users.alice)
  await on.accounts.createProject({ namespace, path: 'tool', creator: on.users.alice })
})
afterAll(() => on.close())

test('an image pushed in one go is pulled by tag and by digest', async () => {
  const pushed = await on.pushImage('alice/tool', 'v1', 'one', { as })
  expect(pushed.answer).toMatchObject({
    status: 201,
    headers: {
      location: `/v2/alice/tool/manifests/${pushed.digest}`,
      'docker-content-digest': pushed.digest,
    },
  })
  for (const reference of ['v1', pushed.digest]) {
    const answer = await on.call(`/v2/alice/tool/manifests/${reference}`, { as })
    expect(answer).toMatchObject({
      status: 200,
      headers: {
        'docker-content-digest': pushed.digest,
        'content-type': 'application/vnd.oci.image.manifest.v1+json',
        'content-length': String(JSON.stringify(pushed.manifest).length),
      },
    })
    expect(answer.json()).toEqual(pushed.manifest)
    const head = await on.call(`/v2/alice/tool/manifests/${reference}`, { as, method: 'HEAD' })
    expect(head).toMatchObject({ status: 200, headers: { 'docker-content-digest': pushed.digest } })
    expect(head.body).toHaveLength(0)
  }
  const layer = await on.call(`/v2/alice/tool/blobs/${pushed.layer.digest}`, { as })
  expect(layer).toMatchObject({
    status: 200,
    headers: { 'docker-content-digest': pushed.layer.digest, 'content-length': '9' },
  })
  expect(layer.body.toString()).toBe('layer one')
  expect(on.events.at(-1)).toEqual({
    type: 'pushed',
    repository: 'alice/tool',
    tag: 'v1',
    digest: pushed.digest,
    configDigest: pushed.config.digest,
    userId: on.users.alice.id,
    jobId: undefined,
  })
})

test('a blob is uploaded in streamed and ranged pieces, its progress asked for, and cancelled', async () => {
  const started = await on.call('/v2/alice/tool/blobs/uploads/', { as, method: 'POST' })
  expect(started.status).toBe(202)
  const at = started.headers.location!
  expect(at).toMatch(/^\/v2\/alice\/tool\/blobs\/uploads\/[0-9a-f-]{36}$/)
  const streamed = await on.call(at, { as, method: 'PATCH', body: chunks('abc', 'def') })
  expect(streamed).toMatchObject({ status: 202, headers: { range: '0-5', location: at } })
  const headers = { 'content-range': '6-8' }
  const ranged = await on.call(at, { as, method: 'PATCH', body: 'ghi', headers })
  expect(ranged).toMatchObject({ status: 202, headers: { range: '0-8' } })
  expect(await on.call(at, { as })).toMatchObject({ status: 204, headers: { range: '0-8' } })
  const digest = sha256Of('abcdefghijkl')
  const done = await on.call(`${at}?digest=${digest}`, { as, method: 'PUT', body: 'jkl' })
  expect(done).toMatchObject({
    status: 201,
    headers: { location: `/v2/alice/tool/blobs/${digest}`, 'docker-content-digest': digest },
  })
  expect(await on.call(at, { as })).toMatchObject({ status: 404, code: 'BLOB_UPLOAD_UNKNOWN' })

  const other = await on.call('/v2/alice/tool/blobs/uploads/', { as, method: 'POST' })
  const path = other.headers.location!
  expect((await on.call(path, { as, method: 'DELETE' })).status).toBe(204)
  expect((await on.call(path, { as, method: 'PATCH', body: 'x' })).status).toBe(404)
})

test('ranges of a blob', async () => {
  const { digest } = await on.pushBlob('alice/tool', 'hello world', { as })
  const read = (range: string) =>
    on.call(`/v2/alice/tool/blobs/${digest}`, { as, headers: { range } })
  const middle = await read('bytes=4-6')
  expect(middle).toMatchObject({ status: 206, headers: { 'content-range': 'bytes 4-6/11' } })
  expect(middle.body.toString()).toBe('o w')
  expect((await read('bytes=6-')).body.toString()).toBe('world')
  expect((await read('bytes=-3')).body.toString()).toBe('rld')
  expect(await read('bytes=11-')).toMatchObject({
    status: 416,
    headers: { 'content-range': 'bytes */11' },
  })
  expect((await read('lines=1-2')).status).toBe(200)
})

test('tags are listed in order, page by page, and deleted without the image', async () => {
  const image = await on.pushImage('alice/tool/pages', 'b', 'pages', { as })
  for (const tag of ['a', 'c', 'B'])
    await on.pushManifest('alice/tool/pages', tag, image.manifest, { as })
  const list = (query: string) => on.call(`/v2/alice/tool/pages/tags/list${query}`, { as })
  expect((await list('')).json()).toEqual({
    name: 'alice/tool/pages',
    tags: ['B', 'a', 'b', 'c'],
  })
  const first = await list('?n=3')
  expect(first.json().tags).toEqual(['B', 'a', 'b'])
  expect(first.headers.link).toBe('</v2/alice/tool/pages/tags/list?n=3&last=b>; rel="next"')
  const second = await list('?n=3&last=b')
  expect(second.json().tags).toEqual(['c'])
  expect(second.headers.link).toBeUndefined()
  expect((await list('?n=0')).json().tags).toEqual([])

  const gone = { as, method: 'DELETE' }
  expect((await on.call('/v2/alice/tool/pages/manifests/a', gone)).status).toBe(202)
  expect((await list('')).json().tags).toEqual(['B', 'b', 'c'])
  expect((await on.call(`/v2/alice/tool/pages/manifests/${image.digest}`, gone)).status).toBe(202)
  expect((await list('')).json().tags).toEqual([])
  expect(await on.call('/v2/alice/tool/pages/manifests/b', { as })).toMatchObject({
    status: 404,
    code: 'MANIFEST_UNKNOWN',
  })
})

test('an index is served as it is, or as linux/amd64 to clients that know only manifests', async () => {
  const image = await on.pushImage('alice/tool/multi', 'amd64', 'multi', { as })
  const size = JSON.stringify(image.manifest).length
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  const index = {
    schemaVersion: 2,
    mediaType,
    manifests: [
      {
        mediaType: image.manifest.mediaType,
        digest: image.digest,
        size,
        platform: { os: 'linux', architecture: 'amd64' },
      },
    ],
  }
  const headers = { 'content-type': mediaType }
  const pushed = await on.pushManifest('alice/tool/multi', 'latest', index, { as, headers })
  expect(pushed.status).toBe(201)
  const get = (accept: string) =>
    on.call('/v2/alice/tool/multi/manifests/latest', { as, headers: { accept } })
  expect((await get(mediaType)).json()).toEqual(index)
  expect((await get('*/*')).json()).toEqual(index)
  const docker = 'application/vnd.docker.distribution.manifest.v2+json'
  expect((await get(docker)).headers['docker-content-digest']).toBe(image.digest)
  const resolved = await on.registry.resolve('alice/tool/multi', 'latest')
  expect(resolved).toMatchObject({ digest: image.digest, configDigest: image.config.digest })
  const byConfig = await on.registry.resolve('alice/tool/multi', image.config.digest)
  expect(byConfig?.digest).toBe(image.digest)
  expect(await on.registry.resolve('alice/tool/multi', 'nothing')).toBeUndefined()
})

test('referrers are found by subject, which need not be there, and filtered by type', async () => {
  const { config } = await on.pushImage('alice/tool/refs', 'v1', 'refs', { as })
  const subject = { mediaType: 'x/y', digest: sha256Of('not there yet'), size: 5 }
  const signature = imageOf(config, [], {
    subject,
    artifactType: 'application/x.signature',
    annotations: { by: 'alice' },
  })
  const digest = sha256Of(JSON.stringify(signature))
  const pushed = await on.pushManifest('alice/tool/refs', digest, signature, { as })
  expect(pushed).toMatchObject({ status: 201, headers: { 'oci-subject': subject.digest } })
  const list = (query = '') =>
    on.call(`/v2/alice/tool/refs/referrers/${subject.digest}${query}`, { as })
  const all = await list()
  expect(all).toMatchObject({
    status: 200,
    headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' },
  })
  expect(all.json().manifests).toEqual([
    {
      mediaType: signature.mediaType,
      digest,
      size: JSON.stringify(signature).length,
      artifactType: 'application/x.signature',
      annotations: { by: 'alice' },
    },
  ])
  const filtered = await list('?artifactType=other')
  expect(filtered.headers['oci-filters-applied']).toBe('artifactType')
  expect(filtered.json().manifests).toEqual([])
})

test('the catalog is for administrators', async () => {
  await on.pushImage('alice/tool', 'v1', 'one', { as })
  const { status, code } = await on.call('/v2/_catalog', { as })
  expect({ status, code }).toEqual({ status: 403, code: 'DENIED' })
  const all = await on.call('/v2/_catalog', { as: 'root:password-root' })
  expect(all.json().repositories).toContain('alice/tool')
})

test('two pushes of one image at once both succeed', async () => {
  const pushes = Array.from({ length: 10 }, () =>
    on.pushImage('alice/tool/same', 'latest', 'twice', { as }),
  )
  for (const push of await Promise.all(pushes)) expect(push.answer.status).toBe(201)
  expect(await on.registry.tags('alice/tool/same')).toHaveLength(1)
})

test('repositories are listed with their tags and size, each blob counted once', async () => {
  const image = await on.pushImage('alice/tool/sized', 'a', 'sized', { as })
  await on.pushManifest('alice/tool/sized', 'b', image.manifest, { as })
  const [one, ...more] = await on.registry.repositories('alice/tool/sized')
  expect(more).toEqual([])
  expect(one).toMatchObject({
    name: 'alice/tool/sized',
    tags: 2,
    sizeBytes: image.config.sizeBytes + image.layer.sizeBytes,
  })
  await on.registry.deleteTag('alice/tool/sized', 'b')
  await expect(on.registry.deleteTag('alice/tool/sized', 'b')).rejects.toMatchObject({
    code: 'not_found',
  })
})
