import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { imageOf, sha256Of, startRegistry, type TestRegistry } from '../../test/support/registry.ts'
import { createMemoryBlobs } from '../blobs/index.ts'

let on: TestRegistry
let toolId: number
const blobs = createMemoryBlobs()
const alice = 'alice:password-alice'
const bob = 'bob:token-bob'
const root = '_:token-root'

beforeAll(async () => {
  on = await startRegistry({ blobs })
  const namespace = await on.accounts.ensureNamespace('alice', on.users.alice)
  const project = (path: string, visibility: 'private' | 'public') =>
    on.accounts.createProject({ namespace, path, visibility, creator: on.users.alice })
  toolId = (await project('tool', 'private')).id
  await project('open', 'public')
  await on.pushImage('alice/tool', 'v1', 'secret', { as: alice })
  await on.pushImage('alice/open', 'v1', 'open', { as: alice })
})
afterAll(() => on.close())

async function tokenFor(as: string | undefined, scope: string, host?: string): Promise<string> {
  const answer = await on.call(`/jwt/auth?service=container_registry&scope=${scope}`, { as, host })
  expect(answer.status).toBe(200)
  return answer.json().token
}
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

describe('logging in', () => {
  test('every host has the challenge that its clients understand, with a realm they can reach', async () => {
    const challenge = async (host: string, headers = {}) =>
      (await on.call('/v2/', { host, headers })).headers['www-authenticate']
    expect(await challenge('registry.heroku.com')).toBe('Basic realm="Slipway"')
    expect(await challenge('127.0.0.1:5000')).toBe(
      'Bearer realm="http://127.0.0.1:5000/jwt/auth",service="container_registry"',
    )
    expect(await challenge('registry-1.docker.io', { 'x-forwarded-proto': 'https' })).toBe(
      'Bearer realm="https://registry-1.docker.io/jwt/auth",service="container_registry"',
    )
    expect((await on.call('/v2/', { host: 'mirror.local' })).status).toBe(200)
    expect(await challenge('evil"host')).toContain('realm="http://localhost/jwt/auth"')
  })

  test.each([
    ['password', 'alice:password-alice', 200],
    ['token', 'alice:token-alice', 200],
    ['API key without a user', ':token-alice', 200],
    ['API key with _', '_:token-alice', 200],
    ['wrong password', 'alice:wrong', 401],
    ['unknown user', 'nobody:password-alice', 401],
  ])('%s', async (_, as, status) => {
    for (const host of ['registry.heroku.com', 'registry-1.docker.io', 'localhost']) {
      expect((await on.call('/v2/', { as, host })).status).toBe(status)
      expect((await on.call('/jwt/auth', { as, host })).status).toBe(status)
    }
    const form = new URLSearchParams({
      grant_type: 'password',
      username: as.split(':')[0]!,
      password: as.split(':')[1]!,
    })
    const posted = await on.call('/jwt/auth', { method: 'POST', body: form.toString() })
    expect(posted.status).toBe(status)
  })

  test('a token holds exactly what was asked for and may be', async () => {
    const scope = 'repository:alice/tool:pull,push&scope=repository:bob/none:pull'
    expect(decodeJwt(await tokenFor(alice, scope))['access']).toEqual([
      { type: 'repository', name: 'alice/tool', actions: ['pull', 'push'] },
    ])
    expect(decodeJwt(await tokenFor(bob, scope))['access']).toEqual([])
    const anonymous = decodeJwt(await tokenFor(undefined, 'repository:alice/open:pull,push'))
    expect(anonymous['access']).toEqual([
      { type: 'repository', name: 'alice/open', actions: ['pull'] },
    ])
  })

  test('a token tells no credentials and dies with them', async () => {
    const { token, tokenId } = await on.accounts.createToken({
      userId: on.users.alice.id,
      name: 'short',
      scopes: ['api'],
    })
    const jwt = await tokenFor(`_:${token}`, 'repository:alice/tool:pull')
    expect(Buffer.from(jwt.split('.')[1]!, 'base64url').toString()).not.toContain(token)
    const headers = bearer(jwt)
    expect((await on.call('/v2/alice/tool/tags/list', { headers })).status).toBe(200)
    await on.accounts.revokeToken(tokenId)
    expect(await on.call('/v2/alice/tool/tags/list', { headers })).toMatchObject({
      status: 401,
      code: 'UNAUTHORIZED',
    })
  })

  test('a job pushes to its own project, says which job it was, and no longer when it has ended', async () => {
    const job = { jobId: 77, projectId: toolId, userId: on.users.alice.id }
    const as = `gitlab-ci-token:${await on.accounts.issueJobToken(job)}`
    const pushed = await on.pushImage('alice/tool/built', 'v1', 'by a job', { as })
    expect(pushed.answer.status).toBe(201)
    expect(on.events.at(-1)).toMatchObject({ repository: 'alice/tool/built', jobId: 77 })
    const found = await on.registry.resolve('alice/tool/built', pushed.config.digest)
    expect(found?.pushedByJob).toBe(77)
    const jwt = await tokenFor(as, 'repository:alice/tool:pull')
    await on.accounts.revokeJobToken(77)
    for (const options of [{ as }, { headers: bearer(jwt) }])
      expect((await on.call('/v2/alice/tool/tags/list', options)).status).toBe(401)
  })

  test('our engine’s credential pulls one repository, nothing else', async () => {
    const { username, password } = await on.registry.pullCredential('alice/tool')
    const as = `${username}:${password}`
    const headers = bearer(await tokenFor(as, 'repository:alice/tool:pull'))
    for (const options of [{ as }, { headers }]) {
      expect((await on.call('/v2/alice/tool/manifests/v1', options)).status).toBe(200)
      expect((await on.call('/v2/alice/tool/built/manifests/v1', options)).status).toBe(403)
      const push = await on.call('/v2/alice/tool/blobs/uploads/', { ...options, method: 'POST' })
      expect(push.status).toBe(403)
    }
  })
})

describe('who may', () => {
  test('nobody learns from an answer whether a repository exists', async () => {
    const seen = async (name: string, as?: string) => {
      const answers = []
      for (const path of ['manifests/v1', 'tags/list', `blobs/${sha256Of('x')}`]) {
        const { status, code, body } = await on.call(`/v2/${name}/${path}`, { as })
        answers.push([status, code, body.toString().replaceAll(name, 'NAME')])
      }
      return answers
    }
    expect(await seen('alice/tool', bob)).toEqual(await seen('alice/nono', bob))
    expect(await seen('alice/tool')).toEqual(await seen('alice/nono'))
    expect((await on.call('/v2/alice/tool/tags/list')).status).toBe(401)
    expect((await on.call('/v2/alice/tool/tags/list', { as: bob })).status).toBe(403)
    expect((await on.call('/v2/alice/open/manifests/v1')).status).toBe(200)
  })

  test('an app’s images belong to its owner; an app that isn’t there says how to make it', async () => {
    const host = 'registry.heroku.com'
    const mine = await on.pushImage('shop/web', 'latest', 'app', { as: '_:token-alice', host })
    expect(mine.answer.status).toBe(201)
    expect(on.events.at(-1)).toMatchObject({ repository: 'heroku/shop/web', tag: 'latest' })
    const long = await on.call('/v2/heroku/shop/web/manifests/latest', { as: alice })
    expect(long.json()).toEqual(mine.manifest)
    for (const [name, as] of [
      ['shop/web', bob],
      ['nope/web', alice],
    ] as const) {
      const refused = await on.call(`/v2/${name}/blobs/uploads/`, { method: 'POST', as, host })
      expect(refused).toMatchObject({ status: 403, code: 'DENIED' })
      expect(refused.json().errors[0].message).toContain('apps:create')
    }
  })

  test('the mirror is read by everyone and written by administrators', async () => {
    const host = 'registry-1.docker.io'
    const put = (as: string) => on.pushBlob('library/thing', 'public layer', { as, host })
    expect((await put(alice)).answer).toMatchObject({ status: 403, code: 'DENIED' })
    expect((await put(root)).answer.status).toBe(201)
    const path = `/v2/library/thing/blobs/${sha256Of('public layer')}`
    const headers = bearer(await tokenFor(undefined, 'repository:library/thing:pull', host))
    expect((await on.call(path, { host, headers })).status).toBe(200)
    expect((await on.call(path, { host: 'mirror.local' })).status).toBe(200)
    expect(await on.call('/v2/library/none/manifests/1', { host: 'mirror.local' })).toMatchObject({
      status: 404,
      code: 'NAME_UNKNOWN',
    })
  })

  test('a refusal comes before the body is read', async () => {
    const never = async function* () {
      yield Buffer.from('first')
      await new Promise(() => {})
    }
    const path = '/v2/alice/tool/manifests/v1'
    const answer = await on.call(path, { as: bob, method: 'PUT', body: never() })
    expect(answer).toMatchObject({ status: 403, code: 'DENIED' })
  })
})

describe('attacks', () => {
  test('S-29 a mount or look at a blob without the right to read it tells nothing', async () => {
    const digest = sha256Of('layer secret')
    const mount = (as: string, from: string) =>
      on.call(`/v2/heroku/shop/web/blobs/uploads/?mount=${digest}${from}`, { as, method: 'POST' })
    await on.accounts.setMember(toolId, on.users.bob.id, undefined)
    const namespace = await on.accounts.ensureNamespace('bob', on.users.bob)
    await on.accounts.createProject({ namespace, path: 'own', creator: on.users.bob })
    const ask = (from: string) =>
      on.call(`/v2/bob/own/blobs/uploads/?mount=${digest}${from}`, { as: bob, method: 'POST' })
    for (const from of ['', '&from=alice/tool', '&from=alice/nono']) {
      const answer = await ask(from)
      expect(answer.status).toBe(202)
      expect(answer.headers.location).toContain('/v2/bob/own/blobs/uploads/')
    }
    for (const method of ['HEAD', 'GET']) {
      const answer = await on.call(`/v2/bob/own/blobs/${digest}`, { as: bob, method })
      expect(answer.status).toBe(404)
    }
    const mounted = await mount(alice, '&from=alice/tool')
    expect(mounted).toMatchObject({ status: 201, headers: { 'docker-content-digest': digest } })
    // A layer of a public image is there for everyone who may push.
    await on.pushBlob('docker.io/library/thing', 'public layer', { as: root })
    const open = `/v2/bob/own/blobs/${sha256Of('public layer')}`
    expect((await on.call(open, { as: bob })).status).toBe(404)
    expect((await on.call(open, { as: bob, method: 'HEAD' })).status).toBe(200)
    expect((await on.call(open, { as: bob })).status).toBe(200)
  })

  test('S-30 an upload belongs to its user and repository, and grows only at its end', async () => {
    const started = await on.call('/v2/alice/tool/blobs/uploads/', { as: alice, method: 'POST' })
    const at = started.headers.location!
    const patch = (path: string, as: string, range?: string) =>
      on.call(path, {
        as,
        method: 'PATCH',
        body: 'abc',
        headers: range === undefined ? {} : { 'content-range': range },
      })
    expect((await patch(at, root)).status).toBe(404)
    const elsewhere = at.replace('alice/tool', 'alice/open')
    expect(await patch(elsewhere, alice)).toMatchObject({
      status: 404,
      code: 'BLOB_UPLOAD_UNKNOWN',
    })
    expect((await patch(at.replace(/[^/]+$/, '..%2f..%2fx'), alice)).status).toBe(404)
    for (const range of ['5-7', '0-9', 'x', '0-'])
      expect(await patch(at, alice, range)).toMatchObject({
        status: 416,
        headers: { range: '0-0' },
      })
    let go = () => {}
    const slow = async function* () {
      yield Buffer.from('one')
      await new Promise<void>(resolve => {
        go = resolve
      })
    }
    const first = on.call(at, { as: alice, method: 'PATCH', body: slow() })
    while ((await on.call(at, { as: alice })).headers.range !== '0-2') {}
    expect((await patch(at, alice)).status).toBe(416)
    go()
    expect(await first).toMatchObject({ status: 202, headers: { range: '0-2' } })
    const done = { as: alice, method: 'PUT' }
    expect((await on.call(`${at}?digest=${sha256Of('one')}`, done)).status).toBe(201)
  })

  test.each([
    'sha256:abc',
    `sha256:${'A'.repeat(64)}`,
    'sha256:..%2f..%2fetc',
    `md5:${'a'.repeat(32)}`,
    '',
    sha256Of('something else'),
  ])('S-31 digest %j is refused and nothing is kept', async digest => {
    const query = encodeURIComponent(decodeURIComponent(digest))
    const answer = await on.call(`/v2/alice/tool/blobs/uploads/?digest=${query}`, {
      as: alice,
      method: 'POST',
      body: 'content nobody has',
    })
    expect(answer).toMatchObject({ status: 400, code: 'DIGEST_INVALID' })
    expect(await blobs.stat(sha256Of('content nobody has'))).toBeUndefined()
  })

  test('S-31 manifests that lie, are too large or need what is missing', async () => {
    const { config, layer, manifest } = await on.pushImage('alice/tool', 'v1', 's31', { as: alice })
    const put = (reference: string, json: object | string) =>
      on.call(`/v2/alice/tool/manifests/${reference}`, {
        as: alice,
        method: 'PUT',
        body: typeof json === 'string' ? json : JSON.stringify(json),
        headers: { 'content-type': manifest.mediaType },
      })
    const nowhere = { digest: sha256Of('nowhere'), sizeBytes: 7 }
    expect(await put('bad', imageOf(config, [layer, nowhere]))).toMatchObject({
      status: 404,
      code: 'MANIFEST_BLOB_UNKNOWN',
    })
    expect(await put(sha256Of('other'), manifest)).toMatchObject({ code: 'DIGEST_INVALID' })
    expect((await put('bad', 'x'.repeat(4 * 1024 * 1024 + 1))).status).toBe(413)
    for (const broken of ['', '[]', '{', '{"schemaVersion":1}', '\xff'])
      expect(await put('bad', broken)).toMatchObject({ status: 400, code: 'MANIFEST_INVALID' })
    expect((await on.call('/v2/alice/tool/manifests/bad', { as: alice })).status).toBe(404)
  })

  test('S-32 a token is good for what it says and nothing else', async () => {
    const pull = bearer(await tokenFor(alice, 'repository:alice/tool:pull'))
    const push = bearer(await tokenFor(alice, 'repository:alice/tool:pull,push'))
    const other = bearer(await tokenFor(alice, 'repository:alice/open:*'))
    const path = '/v2/alice/tool/manifests/v1'
    const attempt = (method: string, headers: Record<string, string>) =>
      on.call(path, { method, headers, body: '{}' })
    for (const [method, headers] of [
      ['PUT', pull],
      ['DELETE', push],
      ['GET', other],
    ] as const) {
      const answer = await attempt(method, headers)
      expect(answer.status).toBe(401)
      expect(answer.headers['www-authenticate']).toContain('error="insufficient_scope"')
    }
    const asBob = bearer(await tokenFor(bob, 'repository:alice/tool:*'))
    expect(await attempt('GET', asBob)).toMatchObject({ status: 403, code: 'DENIED' })
    const [head, body, signature] = push.authorization.split(' ')[1]!.split('.')
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    for (const forged of [`${none}.${body}.`, `${none}.${body}.${signature}`, `${head}.${body}.x`])
      expect((await attempt('GET', bearer(forged))).status).toBe(401)
  })

  test.each([
    ['alice/../root', 'NAME_INVALID'],
    ['alice//tool', 'NAME_INVALID'],
    ['Alice/Tool', 'NAME_INVALID'],
    ['alice/%2e%2e/tool', 'NAME_INVALID'],
    ['alice/tööl', 'NAME_INVALID'],
    [`alice/${'a'.repeat(300)}`, 'NAME_INVALID'],
  ])('S-33 name %j', async (name, code) => {
    const answer = await on.call(`/v2/${encodeURI(name).replaceAll('%25', '%')}/tags/list`, {
      as: alice,
    })
    expect(answer).toMatchObject({ status: 400, code })
  })

  test('S-33 lists are bounded', async () => {
    const list = (n: string) => on.call(`/v2/alice/tool/tags/list?n=${n}`, { as: alice })
    for (const n of ['-1', 'x', '1e3', ''])
      expect(await list(n)).toMatchObject({ status: 400, code: 'PAGINATION_NUMBER_INVALID' })
    expect((await list('1000000000')).status).toBe(200)
  })

  test('S-34 a manifest is one thing, and says the same in header and body', async () => {
    const { config, layer, manifest } = await on.pushImage('alice/tool', 'v1', 's34', { as: alice })
    const index = 'application/vnd.oci.image.index.v1+json'
    const put = (json: object, type: string) =>
      on.pushManifest('alice/tool', 'odd', json, { as: alice, headers: { 'content-type': type } })
    for (const [json, type] of [
      [manifest, index],
      [{ ...manifest, manifests: [] }, manifest.mediaType],
      [{ schemaVersion: 2, mediaType: index, manifests: [], layers: [] }, index],
      [{ ...manifest, mediaType: index }, manifest.mediaType],
      [manifest, 'application/json'],
      [manifest, 'application/vnd.docker.distribution.manifest.v1+prettyjws'],
    ] as const)
      expect(await put(json, type)).toMatchObject({ status: 400, code: 'MANIFEST_INVALID' })
    // A layer "elsewhere" is a layer that isn't here: nobody goes and gets it.
    const foreign = { digest: sha256Of('elsewhere'), sizeBytes: 9 }
    const json = imageOf(config, [layer, foreign])
    Object.assign(json.layers[1]!, { urls: ['http://169.254.169.254/latest'] })
    expect(await put(json, manifest.mediaType)).toMatchObject({ code: 'MANIFEST_BLOB_UNKNOWN' })
  })
})
