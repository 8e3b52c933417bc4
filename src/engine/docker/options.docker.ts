import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { importBusybox } from '../../../test/support/busybox.ts'
import { systemRandom, uuid } from '../../lib/index.ts'
import type { ContainerSpec, Engine } from '../index.ts'
import { connectionFrom, createDockerEngine } from './index.ts'

/** That each option of a container's spec does what it says, seen from inside a container. */
describe('container options on Docker', () => {
  const run = uuid(systemRandom).slice(0, 8)
  const image = `slipway-options/${run}:1`
  const labels = { 'slipway.options': run }
  let engine: Engine
  let made = 0

  beforeAll(async () => {
    engine = createDockerEngine(connectionFrom(process.env))
    await importBusybox(engine, image)
  })
  afterAll(async () => {
    const left = await engine.list(labels)
    await Promise.all(left.containers.map(one => engine.remove(one.id)))
    await Promise.all(left.networks.map(one => engine.removeNetwork(one.id)))
    await Promise.all(left.volumes.map(one => engine.removeVolume(one.name)))
    await engine.removeImage(image)
    await engine.close()
  })

  async function create(script: string, more: Partial<ContainerSpec> = {}): Promise<string> {
    const name = `options-${run}-${++made}`
    const id = await engine.create({ name, image, command: ['sh', '-c', script], labels, ...more })
    await engine.start(id)
    return id
  }

  async function output(id: string): Promise<string> {
    const parts: Uint8Array[] = []
    for await (const chunk of engine.logs(id, { follow: true })) parts.push(chunk.bytes)
    return Buffer.concat(parts).toString()
  }

  it('sets limits, names, user, directory, mounts, DNS and hosts', async () => {
    const volume = `options-${run}`
    await engine.createVolume(volume, labels)
    const id = await create(
      [
        'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null',
        'cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null',
        'hostname; id -u; pwd',
        'mount | grep -E " /(scratch|data|host) " | cut -d" " -f3,5 | sort',
        'mount | grep " /host " | grep -c "ro[,)]"',
        'grep 192.0.2.7 /etc/hosts; grep -c 192.0.2.53 /etc/resolv.conf',
        'cat /proc/sys/net/ipv4/ip_unprivileged_port_start',
      ].join('\n'),
      {
        memoryBytes: 64 * 1024 * 1024,
        pidsLimit: 77,
        cpus: 0.5,
        hostname: 'deck',
        user: 'user',
        workingDir: '/tmp',
        tmpfs: { '/scratch': 'size=1m' },
        mounts: [
          { source: volume, target: '/data', type: 'volume' },
          { source: import.meta.dirname, target: '/host', type: 'bind', readOnly: true },
        ],
        extraHosts: ['pier:192.0.2.7'],
        dns: ['192.0.2.53'],
        sysctls: { 'net.ipv4.ip_unprivileged_port_start': '80' },
      },
    )
    const lines = (await output(id)).split('\n').map(line => line.replace(/\s+/g, ' '))
    expect(lines.slice(0, 5)).toEqual([String(64 * 1024 * 1024), '77', 'deck', '1000', '/tmp'])
    expect(lines.slice(5, 8).map(line => line.split(' ')[0])).toEqual([
      '/data',
      '/host',
      '/scratch',
    ])
    expect(lines[7]).toBe('/scratch tmpfs')
    expect(lines.slice(8, 12)).toEqual(['1', '192.0.2.7 pier', '1', '80'])
  })

  it('resolves aliases between containers of one network', async () => {
    const network = `options-${run}`
    await engine.createNetwork(network, labels)
    await create('exec httpd -f -p 80 -h /tmp', { network, aliases: ['db', 'postgres'] })
    const asks =
      'until ping -c1 -W1 db >/dev/null; do :; done; ping -c1 postgres | grep -c "1 packets received"'
    expect(await output(await create(asks, { network }))).toBe('1\n')
  })

  it('gives a terminal, whose log is still timed', async () => {
    const id = await create('test -t 1 && echo terminal; echo second', { tty: true })
    expect(await output(id)).toBe('terminal\r\nsecond\r\n')
    for await (const chunk of engine.logs(id, { follow: false })) {
      expect(chunk.stream).toBe('stdout')
      expect(Math.abs((chunk.at ?? 0) - Date.now())).toBeLessThan(60_000)
    }
  })

  it('runs privileged only when asked', async () => {
    const mounts = 'mount -t tmpfs none /tmp 2>/dev/null && echo may || echo "may not"'
    expect(await output(await create(mounts))).toBe('may not\n')
    expect(await output(await create(mounts, { privileged: true }))).toBe('may\n')
  })

  it('replaces the entrypoint, and runs an init when asked', async () => {
    const id = await create('', {
      entrypoint: ['echo', 'from'],
      command: ['entrypoint'],
    })
    expect(await output(id)).toBe('from entrypoint\n')
    const first = 'tr "\\0" " " < /proc/1/cmdline'
    expect(await output(await create(first, { init: true }))).toMatch(/init -- sh/)
  })

  it('bounds the log that the engine keeps', async () => {
    const line = 'x'.repeat(1023)
    const script = `i=0; while [ $i -lt 400 ]; do echo ${line}; i=$((i+1)); done; echo last`
    const id = await create(script, { logMaxBytes: 100 * 1024 })
    await engine.wait(id)
    const kept = await output(id)
    expect(kept.endsWith('last\n')).toBe(true)
    expect(kept.length).toBeLessThan(200 * 1024)
  })

  it('says which program it did not find', async () => {
    const name = `options-${run}-${++made}`
    const id = await engine.create({ name, image, command: ['no-such-program'], labels })
    await expect(engine.start(id)).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('no-such-program'),
    })
  })

  it('refuses a host path that is not there', async () => {
    const mounts = [{ source: '/no/such/path', target: '/x', type: 'bind' as const }]
    await expect(create('true', { mounts })).rejects.toMatchObject({ code: 'invalid' })
  })

  it('moves big archives and long output without loss', async () => {
    const id = await create('dd if=/dev/zero bs=1M count=8 2>/dev/null | tr "\\0" y; echo done')
    const text = await output(id)
    expect(text.length).toBe(8 * 1024 * 1024 + 5)
    expect(text.endsWith('yyydone\n')).toBe(true)
  })
})
