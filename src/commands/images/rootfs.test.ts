import { chmod, link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { extract, type Header } from 'tar-stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseLdd } from './libraries.ts'
import { type RootfsSpec, rootfs } from './rootfs.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'slipway-rootfs-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

async function bytesOf(spec: RootfsSpec): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of rootfs(spec)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function unpack(spec: RootfsSpec): Promise<Map<string, Header & { text: string }>> {
  const found = new Map<string, Header & { text: string }>()
  const reader = extract()
  Readable.from([await bytesOf(spec)]).pipe(reader)
  for await (const entry of reader) {
    const chunks: Uint8Array[] = []
    for await (const chunk of entry) chunks.push(chunk as Uint8Array)
    found.set(entry.header.name, { ...entry.header, text: Buffer.concat(chunks).toString() })
  }
  return found
}

describe('rootfs', () => {
  it('gives the same bytes for the same files, whatever their times and order', async () => {
    const one = join(directory, 'one')
    await writeFile(one, 'one')
    const files = [
      { path: '/opt/one', from: one, mode: 0o600 },
      { path: '/etc/two', content: 'two' },
    ]
    const before = await bytesOf({ skeleton: true, files })
    await writeFile(one, 'one')
    expect(await bytesOf({ skeleton: true, files: files.toReversed() })).toEqual(before)
  })

  it('writes sorted entries owned by root at time 0, parents first', async () => {
    const found = await unpack({
      skeleton: false,
      files: [{ path: '/b/c', content: 'text', mode: 0o640 }],
      links: [{ path: '/a', target: 'b/c' }],
      directories: [{ path: '/home/node', mode: 0o700, uid: 1000 }],
    })
    expect([...found.keys()]).toEqual(['a', 'b/', 'b/c', 'home/', 'home/node/'])
    expect(found.get('b/c')).toMatchObject({ mode: 0o640, uid: 0, gid: 0, text: 'text' })
    expect(found.get('b/c')?.mtime?.getTime()).toBe(0)
    expect(found.get('a')).toMatchObject({ type: 'symlink', linkname: 'b/c' })
    expect(found.get('home/node/')).toMatchObject({ mode: 0o700, uid: 1000, gid: 1000 })
  })

  it('brings a program with the libraries it names, below /usr', async () => {
    const found = await unpack({ skeleton: true, programs: [process.execPath, '/bin/ls'] })
    expect(found.get('usr/bin/ls')?.size).toBeGreaterThan(0)
    expect([...found.keys()].filter(name => /libc\.so|ld-linux|ld-musl/.test(name))).not.toEqual([])
    expect(found.get('bin')).toMatchObject({ type: 'symlink', linkname: 'usr/bin' })
    expect([...found.keys()].some(name => /^(bin|lib|lib64)\//.test(name))).toBe(false)
  })

  it('takes a script as it is', async () => {
    const script = join(directory, 'hello')
    await writeFile(script, '#!/bin/sh\necho hello\n')
    const found = await unpack({ skeleton: false, programs: [script] })
    expect(found.get(script.slice(1))?.text).toContain('echo hello')
  })

  it('copies a tree with links and hard links, without what is skipped', async () => {
    await mkdir(join(directory, 'usr/share/doc'), { recursive: true })
    await writeFile(join(directory, 'usr/share/doc/readme'), 'skip me')
    await writeFile(join(directory, 'usr/tool'), 'tool')
    await chmod(join(directory, 'usr/tool'), 0o4755)
    await link(join(directory, 'usr/tool'), join(directory, 'usr/tool-1.0'))
    await symlink('tool', join(directory, 'usr/alias'))
    const found = await unpack({
      skeleton: false,
      trees: [{ path: '/', from: directory, skip: path => path.startsWith('usr/share/doc/') }],
    })
    expect(found.get('usr/tool')).toMatchObject({ mode: 0o4755, text: 'tool' })
    expect(found.get('usr/tool-1.0')).toMatchObject({ type: 'link', linkname: 'usr/tool' })
    expect(found.get('usr/alias')).toMatchObject({ type: 'symlink', linkname: 'tool' })
    expect(found.has('usr/share/doc/readme')).toBe(false)
  })

  it('says which file is missing, and refuses paths that leave the root', async () => {
    await expect(unpack({ skeleton: false, programs: ['/nowhere/at-all'] })).rejects.toThrow(
      '/nowhere/at-all: no such file',
    )
    await expect(
      unpack({ skeleton: false, files: [{ path: '/a/../../b', content: '' }] }),
    ).rejects.toThrow('.. in an image path')
  })

  it('can be left half-read', async () => {
    for await (const chunk of rootfs({ skeleton: true, programs: [process.execPath] })) {
      expect(chunk.byteLength).toBeGreaterThan(0)
      break
    }
  })
})

describe('parseLdd', () => {
  it('reads libraries and the loader, not the vdso', () => {
    const text =
      '\tlinux-vdso.so.1 (0x00007ffc)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n'
    expect(parseLdd(text, 'x')).toEqual([
      '/lib/x86_64-linux-gnu/libc.so.6',
      '/lib64/ld-linux-x86-64.so.2',
    ])
  })
  it('names a library that is not there', () => {
    expect(() => parseLdd('\tlibz.so.1 => not found\n', '/usr/bin/git')).toThrow('needs libz.so.1')
  })
})
