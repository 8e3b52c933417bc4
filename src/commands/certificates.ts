/**
 * The instance's certificate authority and the certificate for the names that Slipway answers for inside jobs.
 *
 * Written with node:crypto and a page of DER: libraries for it are many times that size or need a chain of packages, and the openssl
 * program isn't on every machine. Only writing happens here; reading and checking is left to node:crypto.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  X509Certificate,
} from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import type { Clock, Random } from '../lib/index.ts'
import { type DataDirectory, writeSecret } from './data-directory.ts'
import * as der from './der.ts'

export interface Certificates {
  readonly caCertificatePem: string
  /** The CA's name hash, by which OpenSSL looks for a file in a directory (`1a2b3c4d`, then the file is `1a2b3c4d.0`). */
  readonly caSubjectHash: string
  /** For a TLS server: signed by the CA, good for all names. */
  readonly server: { readonly key: string; readonly cert: string }
}

const dayMs = 24 * 3600 * 1000
const caDays = 3650
const serverDays = 397
/** A server certificate is made anew at a start when less than this is left. */
const renewDays = 60
/** Clocks in containers and on other machines may be behind. */
const backdateMs = dayMs

/** Reads them from the data directory (`keys/`, 0600), making what is missing, near its end, or not good for these names. */
export function openCertificates(
  data: DataDirectory,
  names: readonly string[],
  clock: Clock,
  random: Random,
): Certificates {
  const now = clock.now()
  const ca = openAuthority(data, now, random)
  const server = openServer(data, ca, names, now, random)
  return {
    caCertificatePem: ca.certificate.toString(),
    caSubjectHash: subjectHash(commonNameOf(ca.certificate)),
    server,
  }
}

interface Authority {
  readonly key: KeyObject
  readonly certificate: X509Certificate
}

/** Key and certificate lie in one file, so that a crash never leaves one without the other. */
function openAuthority(data: DataDirectory, now: number, random: Random): Authority {
  const file = data.at('keys', 'authority.pem')
  const kept = readPair(file)
  if (kept && endOf(kept.certificate) > now + renewDays * dayMs) return kept
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const id = Buffer.from(random.bytes(4)).toString('hex')
  const name = `Slipway CA ${id}`
  const certificate = issue({
    ...{ issuer: name, subject: name, subjectKey: publicKey, signer: privateKey, now, random },
    days: caDays,
    extensions: [
      extension('2.5.29.19', true, der.sequence(der.boolean(true))),
      extension('2.5.29.15', true, der.bitString(Buffer.of(0b0000_0110), 1)),
      extension('2.5.29.14', false, der.octetString(keyIdentifier(publicKey))),
    ],
  })
  writeSecret(file, pemOf(privateKey) + certificate.toString())
  return { key: privateKey, certificate }
}

function openServer(
  data: DataDirectory,
  ca: Authority,
  names: readonly string[],
  now: number,
  random: Random,
): { key: string; cert: string } {
  const file = data.at('keys', 'server.pem')
  const kept = readPair(file)
  const isGood =
    kept?.certificate.checkIssued(ca.certificate) &&
    kept.certificate.verify(ca.certificate.publicKey) &&
    endOf(kept.certificate) > now + renewDays * dayMs &&
    names.every(name => kept?.certificate.checkHost(name) !== undefined)
  if (kept && isGood) return { key: pemOf(kept.key), cert: kept.certificate.toString() }
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const alternatives = names.map(name => der.implicit(2, Buffer.from(name, 'latin1')))
  const certificate = issue({
    issuer: commonNameOf(ca.certificate),
    subject: names[0] ?? 'slipway.internal',
    ...{ subjectKey: publicKey, signer: ca.key, days: serverDays, now, random },
    extensions: [
      extension('2.5.29.19', true, der.sequence()),
      extension('2.5.29.15', true, der.bitString(Buffer.of(0b1000_0000), 7)),
      extension('2.5.29.37', false, der.sequence(der.objectIdentifier('1.3.6.1.5.5.7.3.1'))),
      extension(
        '2.5.29.35',
        false,
        der.sequence(der.implicit(0, keyIdentifier(ca.certificate.publicKey))),
      ),
      extension('2.5.29.17', false, der.sequence(...alternatives)),
    ],
  })
  writeSecret(file, pemOf(privateKey) + certificate.toString())
  return { key: pemOf(privateKey), cert: certificate.toString() }
}

/** RFC 5280 §4.1, version 3, signed with ECDSA and SHA-256. */
function issue(certificate: {
  issuer: string
  subject: string
  subjectKey: KeyObject
  signer: KeyObject
  days: number
  now: number
  random: Random
  extensions: Buffer[]
}): X509Certificate {
  const { issuer, subject, subjectKey, signer, days, now, random, extensions } = certificate
  const algorithm = der.sequence(der.objectIdentifier('1.2.840.10045.4.3.2'))
  const serial = Buffer.from(random.bytes(16))
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const content = der.sequence(
    der.explicit(0, der.integer(Buffer.of(2))),
    der.integer(serial),
    algorithm,
    nameOf(issuer),
    der.sequence(der.time(now - backdateMs), der.time(now + days * dayMs)),
    nameOf(subject),
    subjectKey.export({ type: 'spki', format: 'der' }),
    der.explicit(3, der.sequence(...extensions)),
  )
  const signature = sign('sha256', content, signer)
  return new X509Certificate(der.sequence(content, algorithm, der.bitString(signature)))
}

function extension(id: string, isCritical: boolean, value: Buffer): Buffer {
  const critical = isCritical ? [der.boolean(true)] : []
  return der.sequence(der.objectIdentifier(id), ...critical, der.octetString(value))
}

function nameOf(commonName: string): Buffer {
  const attribute = der.sequence(der.objectIdentifier('2.5.4.3'), der.utf8String(commonName))
  return der.sequence(der.set(attribute))
}

/** OpenSSL's X509_NAME_hash: SHA-1 over the name's parts in lower case, its first four bytes with the lowest first. */
function subjectHash(commonName: string): string {
  const text = commonName.toLowerCase()
  const part = der.set(der.sequence(der.objectIdentifier('2.5.4.3'), der.utf8String(text)))
  const digest = createHash('sha1').update(part).digest()
  return digest.readUInt32LE(0).toString(16).padStart(8, '0')
}

/** RFC 5280 §4.2.1.2, method 1: SHA-1 of the public key's bits, which for P-256 are the last 65 bytes of its encoding. */
function keyIdentifier(key: KeyObject): Buffer {
  const encoded = key.export({ type: 'spki', format: 'der' })
  return createHash('sha1').update(encoded.subarray(-65)).digest()
}

function readPair(file: string): Authority | undefined {
  if (!existsSync(file)) return undefined
  const text = readFileSync(file, 'utf8')
  const key = createPrivateKey(text)
  const certificate = new X509Certificate(text.slice(text.indexOf('-----BEGIN CERTIFICATE')))
  const isPair = certificate.publicKey.equals(createPublicKey(key))
  return isPair ? { key, certificate } : undefined
}

function commonNameOf(certificate: X509Certificate): string {
  return /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? ''
}

function endOf(certificate: X509Certificate): number {
  return Date.parse(certificate.validTo)
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}
