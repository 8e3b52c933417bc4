import { createHash, randomBytes } from 'node:crypto'

/** Randomness as a parameter. */
export interface Random {
  bytes(count: number): Uint8Array
}

/** The operating system's generator. */
export const systemRandom: Random = { bytes: count => randomBytes(count) }

/** A repeatable generator for tests; not for secrets. */
export function seededRandom(seed = 'seed'): Random {
  let counter = 0
  return {
    bytes(count) {
      const out = new Uint8Array(count)
      for (let at = 0; at < count; ) {
        const block = createHash('sha256').update(`${seed}:${counter++}`).digest()
        out.set(block.subarray(0, Math.min(block.length, count - at)), at)
        at += block.length
      }
      return out
    },
  }
}

/** A version 4 UUID (RFC 9562). */
export function uuid(random: Random): string {
  const b = Buffer.from(random.bytes(16))
  b[6] = (b[6]! & 0x0f) | 0x40
  b[8] = (b[8]! & 0x3f) | 0x80
  const hex = b.toString('hex')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-')
}

/** A token of `bytes` × 8 bits, URL-safe, after a prefix that tells its kind (`glpat-`, `glcbt-` …). */
export function newToken(random: Random, prefix: string, bytes = 32): string {
  return prefix + Buffer.from(random.bytes(bytes)).toString('base64url')
}

/** Lower-case hex SHA-256: what the store keeps of a token. */
export function sha256(value: string | Uint8Array): string {
  return createHash('sha256').update(value).digest('hex')
}
