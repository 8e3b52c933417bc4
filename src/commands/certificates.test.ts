import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { manualClock, systemRandom } from '../lib/index.ts'
import { openCertificates } from './certificates.ts'
import { type DataDirectory, openDataDirectory } from './data-directory.ts'

const names = ['slipway.internal', 'registry.heroku.com', 'api.heroku.com']
let directory: string
let data: DataDirectory

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipway-certificates-'))
  data = openDataDirectory(directory)
})
afterEach(() => {
  data.unlock()
  rmSync(directory, { recursive: true, force: true })
})

describe('openCertificates', () => {
  it('makes a CA and a certificate that openssl accepts for each name', () => {
    const made = openCertificates(data, names, manualClock(Date.now()), systemRandom)
    writeFileSync(join(directory, 'ca.pem'), made.caCertificatePem)
    writeFileSync(join(directory, 'server.crt'), made.server.cert)
    const openssl = (...words: string[]) =>
      execFileSync('openssl', words, { cwd: directory }).toString()
    for (const name of names)
      expect(
        openssl(
          ...['verify', '-x509_strict', '-purpose', 'sslserver', '-verify_hostname', name],
          ...['-CAfile', 'ca.pem', 'server.crt'],
        ),
      ).toBe('server.crt: OK\n')
    expect(openssl('x509', '-hash', '-noout', '-in', 'ca.pem').trim()).toBe(made.caSubjectHash)
  })

  it('serves TLS for its names and for no others', async () => {
    const made = openCertificates(data, names, manualClock(Date.now()), systemRandom)
    const server = createServer(made.server, (_, response) => response.end('hello')).listen(0)
    const { port } = server.address() as AddressInfo
    const get = async (servername: string) => {
      const call = request({ port, servername, ca: made.caCertificatePem, agent: false }).end()
      const [response] = await once(call, 'response')
      response.resume()
      return response.statusCode
    }
    try {
      expect(await get('api.heroku.com')).toBe(200)
      await expect(get('example.com')).rejects.toThrow(/altnames/)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })

  it('keeps them, with mode 0600, until names or time ask for new ones', () => {
    const clock = manualClock(Date.now())
    const first = openCertificates(data, names, clock, systemRandom)
    for (const file of ['authority.pem', 'server.pem'])
      expect(statSync(data.at('keys', file)).mode & 0o777).toBe(0o600)
    expect(openCertificates(data, names, clock, systemRandom)).toEqual(first)
    const wider = openCertificates(data, [...names, 'docker.io'], clock, systemRandom)
    expect(wider.caCertificatePem).toBe(first.caCertificatePem)
    expect(wider.server.cert).not.toBe(first.server.cert)
    expect(openCertificates(data, names, clock, systemRandom).server).toEqual(wider.server)
    clock.advance(350 * 24 * 3600 * 1000)
    const later = openCertificates(data, names, clock, systemRandom)
    expect(later.caCertificatePem).toBe(first.caCertificatePem)
    expect(later.server.cert).not.toBe(wider.server.cert)
  })

  it('makes a new server certificate when the CA is another', () => {
    const clock = manualClock(Date.now())
    const first = openCertificates(data, names, clock, systemRandom)
    rmSync(data.at('keys', 'authority.pem'))
    const second = openCertificates(data, names, clock, systemRandom)
    expect(second.caCertificatePem).not.toBe(first.caCertificatePem)
    const ca = new X509Certificate(second.caCertificatePem)
    expect(new X509Certificate(second.server.cert).verify(ca.publicKey)).toBe(true)
    expect(readFileSync(data.at('keys', 'server.pem'), 'utf8')).toContain(second.server.cert)
  })
})
