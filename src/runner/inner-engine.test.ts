import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { innerEngineFiles } from './inner-engine.ts'

const files = (command: string[] = [], existing?: string) =>
  innerEngineFiles({ dnsAddress: '172.18.0.2', trusted: true, command, existing })
const configuration = (command: string[] = [], existing?: string) =>
  JSON.parse(files(command, existing)['etc/docker/daemon.json']!.content)

it('configures the engine and keeps what its image says', () => {
  expect(configuration()).toEqual({
    dns: ['172.18.0.2'],
    'default-runtime': 'slipway',
    runtimes: { slipway: { path: '/etc/slipway/runc' } },
  })
  expect(configuration([], '{"dns":["1.1.1.1"],"mtu":1400}')).toMatchObject({
    ...{ dns: ['1.1.1.1'], mtu: 1400, 'default-runtime': 'slipway' },
  })
  expect(configuration(['--dns=9.9.9.9', '--default-runtime', 'x'])).toEqual({})
  expect(configuration([], 'broken')).toHaveProperty('dns')
})

it('adds the CA to a container that runc is told to make', () => {
  const directory = mkdtempSync(join(tmpdir(), 'slipway-runc-'))
  try {
    const bundle = join(directory, 'bundle')
    mkdirSync(bundle)
    const specification = {
      process: { args: ['sh', '-c', 'echo "env":['], env: ['PATH=/bin'] },
      mounts: [
        { destination: '/proc', type: 'proc', source: 'proc' },
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
        { destination: '/dev/pts', type: 'devpts', source: 'devpts' },
      ],
    }
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(specification))
    writeFileSync(join(directory, 'runc'), '#!/bin/sh\necho "runc $*"\n', { mode: 0o755 })
    const wrapper = join(directory, 'wrapper')
    writeFileSync(wrapper, files()['etc/slipway/runc']!.content, { mode: 0o755 })
    const env = { ...process.env, PATH: `${directory}:${process.env['PATH']}` }
    const words = ['--root', '/x', 'create', '--bundle', bundle, 'id']
    expect(execFileSync(wrapper, words, { env }).toString()).toBe(`runc ${words.join(' ')}\n`)
    const made = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'))
    expect(made.process.args).toEqual(specification.process.args)
    expect(made.process.env).toEqual([
      'NODE_EXTRA_CA_CERTS=/dev/slipway-ca/ca.pem',
      'SSL_CERT_DIR=/etc/ssl/certs:/dev/slipway-ca',
      'PATH=/bin',
    ])
    expect(made.mounts[2]).toEqual({
      ...{ destination: '/dev/slipway-ca', type: 'bind', source: '/etc/slipway/ca' },
      options: ['rbind', 'ro'],
    })
    expect(made.mounts).toHaveLength(4)
    expect(execFileSync(wrapper, ['state', 'id'], { env }).toString()).toBe('runc state id\n')
  } finally {
    rmSync(directory, { recursive: true })
  }
})
