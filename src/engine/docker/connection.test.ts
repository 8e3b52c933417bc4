import { describe, expect, it } from 'vitest'
import { connectionFrom } from './connection.ts'

describe('connectionFrom', () => {
  const nothing = () => false

  it('takes DOCKER_HOST as the docker command does', () => {
    const cases: [string, unknown][] = [
      ['unix:///run/user/1000/docker.sock', { socketPath: '/run/user/1000/docker.sock' }],
      ['tcp://10.0.0.7:2376', { host: 'http://10.0.0.7:2376' }],
      ['tcp://docker', { host: 'http://docker:2375' }],
      ['tcp://[::1]:2375', { host: 'http://[::1]:2375' }],
    ]
    for (const [address, connection] of cases)
      expect(connectionFrom({ DOCKER_HOST: address }, nothing)).toEqual(connection)
  })

  it('refuses what it cannot speak to, and says what to use', () => {
    const cases: [Record<string, string>, RegExp][] = [
      [{ DOCKER_HOST: 'ssh://me@host' }, /SSH/],
      [{ DOCKER_HOST: 'npipe:////./pipe/docker' }, /npipe/],
      [{ DOCKER_HOST: 'tcp://host:2376', DOCKER_TLS_VERIFY: '1' }, /TLS/],
      [{ DOCKER_HOST: 'unix://relative.sock' }, /absolute/],
      [{ DOCKER_HOST: 'tcp://:99999' }, /valid host/],
      [{ DOCKER_HOST: 'here' }, /not an address/],
    ]
    for (const [env, message] of cases) {
      expect(() => connectionFrom(env, nothing)).toThrow(message)
      expect(() => connectionFrom(env, nothing)).toThrow(
        expect.objectContaining({ code: 'invalid', hint: expect.stringContaining('tcp://') }),
      )
    }
  })

  it('finds the first socket that exists, else names the usual one', () => {
    const env = { XDG_RUNTIME_DIR: '/run/user/7', HOME: '/home/me', DOCKER_HOST: ' ' }
    const only = (file: string) => (one: string) => one === file
    for (const socketPath of ['/run/user/7/docker.sock', '/home/me/.docker/run/docker.sock'])
      expect(connectionFrom(env, only(socketPath))).toEqual({ socketPath })
    expect(connectionFrom(env, () => true)).toEqual({ socketPath: '/var/run/docker.sock' })
    expect(connectionFrom({}, nothing)).toEqual({ socketPath: '/var/run/docker.sock' })
  })
})
