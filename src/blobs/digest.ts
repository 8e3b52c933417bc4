import { Failure } from '../lib/index.ts'
import type { Digest } from './ports.ts'

const hexLengths = { sha256: 64, sha512: 128 } as const
export type Algorithm = keyof typeof hexLengths

/** Splits a digest into its parts; they are safe as file names. Throws `Failure('invalid')` for anything but lower-case sha256 and sha512. */
export function parseDigest(digest: string): { algorithm: Algorithm; hex: string } {
  const match = /^(sha256|sha512):([0-9a-f]+)$/.exec(digest)
  const algorithm = match?.[1] as Algorithm | undefined
  const hex = match?.[2]
  if (algorithm === undefined || hex?.length !== hexLengths[algorithm])
    throw new Failure('invalid', `not a digest: ${JSON.stringify(digest.slice(0, 160))}`, {
      hint: 'Write it as sha256:<64 hex digits> or sha512:<128 hex digits>, in lower case.',
    })
  return { algorithm, hex }
}

export function isDigest(text: string): boolean {
  const [algorithm, hex, more] = text.split(':')
  if (more !== undefined || (algorithm !== 'sha256' && algorithm !== 'sha512')) return false
  return hex?.length === hexLengths[algorithm] && /^[0-9a-f]+$/.test(hex)
}

/** The part after the colon. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}
