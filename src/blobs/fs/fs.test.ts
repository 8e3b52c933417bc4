import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import {
  all,
  appendStoreContract,
  blobStoreContract,
  chunks,
  digestOf,
  textOf,
} from '../../../test/contract/blobs.ts'
import { createFsAppends } from './appends.ts'
import { createFsBlobs } from './blobs.ts'

const root = mkdtempSync(join(tmpdir(), 'slipway-blobs-'))
let count = 0
const newDirectory = () => join(root, String(count++))
afterAll(() => rmSync(root, { recursive: true }))

blobStoreContract('fs', () => {
  const directory = newDirectory()
  return {
    store: createFsBlobs({ directory }),
    reopen: () => createFsBlobs({ directory }),
  }
})
appendStoreContract('fs', () => createFsAppends({ directory: newDirectory() }))

test('a commit hashes the file again when bytes were changed behind its back after a restart', async () => {
  const directory = newDirectory()
  const store = createFsBlobs({ directory })
  await store.createUpload('one')
  await store.appendUpload('one', chunks('abc'))
  writeFileSync(join(directory, 'uploads', 'one'), 'abd')
  const again = createFsBlobs({ directory })
  await expect(again.commitUpload('one', digestOf('abc'))).rejects.toMatchObject({
    code: 'invalid',
  })
})

test('what was acknowledged survives kill -9, and nothing half-written shows', async () => {
  const directory = newDirectory()
  const script = `
    import { createFsAppends, createFsBlobs } from ${JSON.stringify(new URL('../index.ts', import.meta.url).pathname)}
    const blobs = createFsBlobs({ directory: ${JSON.stringify(join(directory, 'b'))} })
    const appends = createFsAppends({ directory: ${JSON.stringify(join(directory, 'a'))} })
    await blobs.put(Buffer.from('whole'))
    await blobs.createUpload('half')
    await blobs.appendUpload('half', (async function* () { yield Buffer.from('first') })())
    await appends.append('traces/1', Buffer.from('line\\n'))
    console.log('acknowledged')
    await blobs.appendUpload('half', (async function* () { for (;;) yield Buffer.alloc(4096) })())
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  const blobs = createFsBlobs({ directory: join(directory, 'b') })
  expect(await all(blobs.list())).toEqual([{ digest: digestOf('whole'), sizeBytes: 5 }])
  expect(await blobs.uploadSize('half')).toBeGreaterThanOrEqual(5)
  expect(readdirSync(join(directory, 'b', 'uploads'))).toEqual(['half'])
  const appends = createFsAppends({ directory: join(directory, 'a') })
  expect(await textOf(await appends.read('traces/1', 0))).toBe('line\n')
})
