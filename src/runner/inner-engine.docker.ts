import { createConnection } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasDockerPrograms, importInnerDocker } from '../../test/support/inner-docker.ts'
import { startTestRunner } from '../../test/support/runner.ts'
import { connectionFrom, createDockerEngine } from '../engine/docker/index.ts'

const engine = createDockerEngine(connectionFrom(process.env))
const image = `slipway-test-inner-${process.pid}:dind`
let runner: Awaited<ReturnType<typeof startTestRunner>>

beforeAll(async () => {
  if (!hasDockerPrograms) return
  await importInnerDocker(engine, image)
  runner = await startTestRunner(engine, {
    config: { privilegedServices: ['slipway-test-inner-*'] },
    handle: (request, response) => {
      const expected = `Basic ${Buffer.from('_:right').toString('base64')}`
      const isRegistry = request.url?.startsWith('/v2/')
      if (isRegistry && request.headers.authorization !== expected)
        response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end('{}')
      else response.end(`hello from ${request.headers.host}\n`)
    },
  })
})
afterAll(async () => {
  await runner?.close()
  await engine.removeImage(image)
  await engine.close()
})

const job = (script: string[]) =>
  runner.add(script, {
    image: { name: image, entrypoint: ['docker-entrypoint.sh'] },
    services: [{ name: image, alias: 'docker' }],
    variables: Object.entries({ DOCKER_HOST: 'tcp://docker:2375', DOCKER_TLS_CERTDIR: '' }).map(
      ([key, value]) => ({ key, value, public: true, masked: false }),
    ),
  })

// TLS 1.3 session tickets make s_client say it again, when they arrive before it ends: the first time counts
const checkTls =
  'echo | openssl s_client -connect api.heroku.com:443 -verify_return_error -verify_hostname api.heroku.com 2>&1 | grep -m 1 Verify.return'

describe.skipIf(!hasDockerPrograms)('a Docker Engine as a service', () => {
  it('builds and runs containers that find the platform and trust its CA', async () => {
    const { finished, ...rest } = job([
      'docker info --format "{{.DefaultRuntime}} {{.Driver}}"',
      'tar -C / -cf - bin sbin lib lib64 usr/bin usr/lib usr/lib64 etc/ssl tmp | docker import - nested:1',
      `printf 'FROM nested:1\\nRUN ls /dev/slipway-ca && ${checkTls}\\n' | docker build -t built - || exit 9`,
      'docker run --rm nested:1 env | grep -E "^(NODE_EXTRA|SSL_CERT)"',
      `docker run --rm nested:1 sh -c '${checkTls}; wget -q -O - http://slipway.internal/'`,
      'docker run --rm nested:1 nslookup no-such-name.invalid || true',
      'docker create --name last built true; docker export last | tar -t | grep slipway || echo clean layers',
    ])
    const update = await finished
    const trace = runner.memory.jobs.get(rest.payload.id)!.trace.toString()
    expect(update.state, trace).toBe('success')
    expect(trace).toContain('slipway overlay2')
    expect(trace.match(/Verify return code: 0 \(ok\)/g)).toHaveLength(2)
    expect(trace).toContain('SSL_CERT_DIR=/etc/ssl/certs:/dev/slipway-ca')
    expect(trace).toContain('hello from slipway.internal')
    expect(trace).toMatch(/\nclean layers\n/)
  })

  it('logs in to the registries that Slipway stands in for, and not with a wrong password', async () => {
    const right = job([
      'echo right | docker login -u _ --password-stdin registry.heroku.com',
      'echo right | docker login -u _ --password-stdin',
    ])
    const wrong = job(['docker login -u _ -p wrong registry.heroku.com'])
    await Promise.all([right.finished, wrong.finished])
    const traceOf = (id: number) => runner.memory.jobs.get(id)!.trace.toString()
    expect(traceOf(right.payload.id).match(/Login Succeeded/g)).toHaveLength(2)
    expect((await wrong.finished).state).toBe('failed')
    expect(traceOf(wrong.payload.id)).toMatch(/unauthorized|401/i)
  })

  it('opens no port of this machine', () => {
    const socket = createConnection(2375, '127.0.0.1')
    return new Promise<void>((resolve, reject) => {
      socket.once('error', () => resolve())
      socket.once('connect', () => reject(new Error('port 2375 is open')))
    })
  })
})
