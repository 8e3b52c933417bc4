import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { AppendStore, BlobStore } from '../../src/blobs/index.ts'

export const digestOf = (text: string | Uint8Array, algorithm = 'sha256') =>
  `${algorithm}:${createHash(algorithm).update(text).digest('hex')}`

export async function* chunks(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part)
}

export async function textOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of bytes) parts.push(part)
  return Buffer.concat(parts).toString()
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

/** What every `BlobStore` keeps to. `make` gives an empty store; `reopen`, where it can, the same data in a new process's eyes. */
export function blobStoreContract(
  name: string,
  make: () => { store: BlobStore; reopen?: () => BlobStore },
): void {
  describe(`${name}: blob store`, () => {
    blobCases(() => make().store)
    uploadCases(make)
  })
}

function blobCases(make: () => BlobStore): void {
  test('keeps what was put and reads it whole or in part', async () => {
    const store = make()
    const digest = digestOf('hello world')
    expect(await store.put(Buffer.from('hello world'))).toEqual({ digest, sizeBytes: 11 })
    expect(await store.put(chunks('hello', ' world'), digest)).toEqual({ digest, sizeBytes: 11 })
    expect(await store.stat(digest)).toEqual({ digest, sizeBytes: 11 })
    expect(await textOf(await store.read(digest))).toBe('hello world')
    expect(await textOf(await store.read(digest, { start: 6 }))).toBe('world')
    expect(await textOf(await store.read(digest, { start: 4, end: 7 }))).toBe('o w')
    expect(await textOf(await store.read(digest, { start: 4, end: 700 }))).toBe('o world')
    expect(await textOf(await store.read(digest, { start: 11 }))).toBe('')
    expect(await all(store.list())).toEqual([{ digest, sizeBytes: 11 }])
  })

  test('keeps the empty blob and sha512', async () => {
    const store = make()
    const empty = await store.put(Buffer.alloc(0))
    expect(empty).toEqual({ digest: digestOf(''), sizeBytes: 0 })
    expect(await textOf(await store.read(empty.digest))).toBe('')
    const long = digestOf('x', 'sha512')
    expect(await store.put(Buffer.from('x'), long)).toEqual({ digest: long, sizeBytes: 1 })
    expect(await store.stat(digestOf('x'))).toBeUndefined()
  })

  test('refuses a wrong digest and keeps nothing', async () => {
    const store = make()
    await expect(store.put(Buffer.from('a'), digestOf('b'))).rejects.toMatchObject({
      code: 'invalid',
    })
    expect(await all(store.list())).toEqual([])
    expect(await all(store.staleUploads(Number.MAX_SAFE_INTEGER))).toEqual([])
  })

  test.each([
    'sha256:abc',
    'sha256:../../etc/passwd',
    `sha256:${'A'.repeat(64)}`,
    `md5:${'a'.repeat(32)}`,
    '',
    `sha256:${'a'.repeat(128)}`,
  ])('refuses %j as a digest', async digest => {
    const store = make()
    await expect(store.stat(digest)).rejects.toMatchObject({ code: 'invalid' })
    await expect(store.put(Buffer.from('a'), digest)).rejects.toMatchObject({ code: 'invalid' })
  })

  test('deletes, also twice; a blob that is not there is not found', async () => {
    const store = make()
    const { digest } = await store.put(Buffer.from('gone'))
    await store.delete(digest)
    await store.delete(digest)
    expect(await store.stat(digest)).toBeUndefined()
    await expect(store.read(digest)).rejects.toMatchObject({ code: 'not_found' })
  })

  test('many writers of one blob all succeed', async () => {
    const store = make()
    const writes = Array.from({ length: 20 }, () => store.put(chunks('same', ' bytes')))
    for (const blob of await Promise.all(writes)) expect(blob.digest).toBe(digestOf('same bytes'))
    expect(await all(store.list())).toHaveLength(1)
  })
}

function uploadCases(make: () => { store: BlobStore; reopen?: () => BlobStore }): void {
  test('an upload grows by appends and becomes a blob', async () => {
    const { store } = make()
    await store.createUpload('one')
    expect(await store.uploadSize('one')).toBe(0)
    expect(await store.appendUpload('one', chunks('abc', 'de'))).toBe(5)
    expect(await store.appendUpload('one', chunks())).toBe(5)
    expect(await store.appendUpload('one', chunks('f'))).toBe(6)
    expect(await store.stat(digestOf('abcdef'))).toBeUndefined()
    expect(await textOf(await store.readUpload('one', { start: 2 }))).toBe('cdef')
    expect(await textOf(await store.readUpload('one', { start: 2, end: 4 }))).toBe('cd')
    expect(await store.commitUpload('one', digestOf('abcdef'))).toEqual({
      digest: digestOf('abcdef'),
      sizeBytes: 6,
    })
    expect(await store.uploadSize('one')).toBeUndefined()
    await expect(store.readUpload('one', { start: 0 })).rejects.toMatchObject({ code: 'not_found' })
    expect(await textOf(await store.read(digestOf('abcdef')))).toBe('abcdef')
  })

  test('an upload may end as sha512', async () => {
    const { store } = make()
    await store.createUpload('one')
    await store.appendUpload('one', chunks('abc'))
    const digest = digestOf('abc', 'sha512')
    expect(await store.commitUpload('one', digest)).toEqual({ digest, sizeBytes: 3 })
  })

  test('a wrong digest ends the upload', async () => {
    const { store } = make()
    await store.createUpload('one')
    await store.appendUpload('one', chunks('abc'))
    await expect(store.commitUpload('one', digestOf('abd'))).rejects.toMatchObject({
      code: 'invalid',
    })
    expect(await store.uploadSize('one')).toBeUndefined()
    expect(await all(store.list())).toEqual([])
  })

  test('what arrived before the sender broke off stays and can be resumed', async () => {
    const { store } = make()
    await store.createUpload('one')
    const broken = async function* () {
      yield Buffer.from('abc')
      throw new Error('connection lost')
    }
    await expect(store.appendUpload('one', broken())).rejects.toThrow('connection lost')
    expect(await store.uploadSize('one')).toBe(3)
    await store.appendUpload('one', chunks('def'))
    await store.commitUpload('one', digestOf('abcdef'))
  })

  test('unknown, aborted and oddly named uploads are not found', async () => {
    const { store } = make()
    await store.createUpload('one')
    await store.abortUpload('one')
    await store.abortUpload('one')
    expect(await store.uploadSize('one')).toBeUndefined()
    await expect(store.appendUpload('one', chunks('a'))).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(store.commitUpload('one', digestOf(''))).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(async () => store.createUpload('../one')).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  test('stale uploads are those untouched since', async () => {
    const { store } = make()
    await store.createUpload('one')
    expect(await all(store.staleUploads(Date.now() - 60_000))).toEqual([])
    expect(await all(store.staleUploads(Date.now() + 60_000))).toEqual(['one'])
  })

  test('an upload goes on after a restart', async context => {
    const { store, reopen } = make()
    if (reopen === undefined) return context.skip('keeps nothing over a restart')
    await store.createUpload('one')
    await store.appendUpload('one', chunks('abc'))
    const again = reopen()
    expect(await again.uploadSize('one')).toBe(3)
    expect(await again.appendUpload('one', chunks('def'))).toBe(6)
    await again.commitUpload('one', digestOf('abcdef'))
    expect(await textOf(await reopen().read(digestOf('abcdef')))).toBe('abcdef')
  })
}

/** What every `AppendStore` keeps to. */
export function appendStoreContract(name: string, make: () => AppendStore): void {
  describe(`${name}: append store`, () => {
    test('appends and reads any part', async () => {
      const store = make()
      expect(await store.append('traces/1', Buffer.from('hello '))).toBe(6)
      expect(await store.append('traces/1', Buffer.from('world'))).toBe(11)
      await store.sync('traces/1')
      expect(await store.size('traces/1')).toBe(11)
      expect(await textOf(await store.read('traces/1', 0))).toBe('hello world')
      expect(await textOf(await store.read('traces/1', 3, 8))).toBe('lo wo')
      expect(await textOf(await store.read('traces/1', 9, 900))).toBe('ld')
      expect(await textOf(await store.read('traces/1', 900))).toBe('')
    })

    test('an unknown key is empty', async () => {
      const store = make()
      expect(await store.size('traces/1')).toBe(0)
      expect(await textOf(await store.read('traces/1', 0))).toBe('')
      await store.sync('traces/1')
      await store.delete('traces/1')
    })

    test('concurrent appends stay whole and in order', async () => {
      const store = make()
      const lines = Array.from({ length: 50 }, (_, index) => `line ${index}\n`)
      await Promise.all(lines.map(line => store.append('a/b', Buffer.from(line))))
      expect(await textOf(await store.read('a/b', 0))).toBe(lines.join(''))
    })

    test('lists by prefix, sorted, and deletes', async () => {
      const store = make()
      for (const key of ['apps/b/2', 'apps/a/1', 'apps/b/1', 'traces/9'])
        await store.append(key, Buffer.from('x'))
      expect(await store.list('apps/')).toEqual(['apps/a/1', 'apps/b/1', 'apps/b/2'])
      expect(await store.list('apps/b')).toEqual(['apps/b/1', 'apps/b/2'])
      expect(await store.list('')).toHaveLength(4)
      expect(await store.list('nothing/')).toEqual([])
      await store.delete('apps/b/1')
      expect(await store.list('apps/b/')).toEqual(['apps/b/2'])
      expect(await store.size('apps/b/1')).toBe(0)
    })

    test.each(['', '/', '../x', 'a/../b', 'a//b', '/etc', 'a b', 'a/.', 'ü'])(
      'refuses %j as a key',
      async key => {
        const store = make()
        await expect(store.append(key, Buffer.from('x'))).rejects.toMatchObject({ code: 'invalid' })
      },
    )
  })
}
