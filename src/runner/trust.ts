import type { Files } from './archive.ts'
import type { Platform } from './options.ts'

/** Where the instance's certificate authority lies in a job's containers. */
export const trustDirectory = '/etc/slipway/ca'

/** The CA once under a plain name and once under the name by which OpenSSL looks it up. */
export function trustFiles(platform: Platform): Files {
  const directory = trustDirectory.slice(1)
  const content = platform.caCertificatePem
  return {
    [`${directory}/ca.pem`]: { content },
    [`${directory}/${platform.caSubjectHash}.0`]: { content },
  }
}

/**
 * Adds the CA to what programs trust anyway: Node by one variable; OpenSSL, Go, Python and curl by a further directory. Both add and
 * replace nothing, unlike SSL_CERT_FILE and its kind.
 */
export function trustEnvironment(directory: string): Record<string, string> {
  return {
    NODE_EXTRA_CA_CERTS: `${directory}/ca.pem`,
    SSL_CERT_DIR: `/etc/ssl/certs:${directory}`,
  }
}
