/** git's pkt-line framing (gitprotocol-common): four hex digits of length, which count themselves, then the payload; 0000 is a flush. */

export const flush = Buffer.from('0000')
const maxPayload = 65516
const lengthBytes = 4

export interface Packet {
  /** With its length. */
  raw: Buffer
  payload: Buffer
  /** 0000; what 0001 and 0002 mean depends on the place, so they pass as packets without payload. */
  isFlush: boolean
}

export function packet(payload: string | Uint8Array): Buffer {
  const bytes = Buffer.from(payload)
  const length = (bytes.length + lengthBytes).toString(16).padStart(lengthBytes, '0')
  return Buffer.concat([Buffer.from(length), bytes])
}

/** A message for the person who pushes: band 2 of the side band, which git shows as `remote: …`. */
export function progress(line: string): Buffer {
  // nobody's names or errors move the cursor of a stranger's terminal
  const text = line.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, '?')
  return band(2, Buffer.from(`${text}\n`))
}

/** Nothing, so that the connection isn't taken for dead. */
export const keepAlive = packet(Uint8Array.of(2))

/** Ends the push with an error. */
export function fatal(message: string): Buffer {
  return band(3, Buffer.from(`${message}\n`))
}

export function band(number: 1 | 2 | 3, bytes: Uint8Array): Buffer {
  const out: Buffer[] = []
  for (let at = 0; at < bytes.length; at += maxPayload - 1)
    out.push(
      packet(Buffer.concat([Uint8Array.of(number), bytes.subarray(at, at + maxPayload - 1)])),
    )
  return Buffer.concat(out)
}

/** Takes bytes as they come and gives whole packets; what is behind the last one stays. */
export class PacketReader {
  #held: Buffer = Buffer.alloc(0)

  add(bytes: Uint8Array): void {
    this.#held = this.#held.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#held, bytes])
  }

  /** The next packet, undefined until it is whole. Throws for what is none. */
  next(): Packet | undefined {
    if (this.#held.length < lengthBytes) return undefined
    const digits = this.#held.toString('latin1', 0, lengthBytes)
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw new Error(`not a packet: ${JSON.stringify(digits)}`)
    const length = Math.max(Number.parseInt(digits, 16), lengthBytes)
    if (this.#held.length < length) return undefined
    const raw = this.#held.subarray(0, length)
    this.#held = this.#held.subarray(length)
    return { raw, payload: raw.subarray(lengthBytes), isFlush: digits === '0000' }
  }

  /** What was added and not taken. */
  rest(): Buffer {
    return this.#held
  }
}
