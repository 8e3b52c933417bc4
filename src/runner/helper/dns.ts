/** As much of DNS (RFC 1035) as the gateway needs: read the question, answer a few names, pass the rest on. */
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'

const typeA = 1
const serverFailure = 2
const timeoutMs = 1_000
/** After so many questions in a row without an answer, the resolver counts as away for `awayMs`. */
const silences = 3
const awayMs = 5_000
const maxWaiting = 512

/** The reply to a question for one of the names: this address for A, nothing for other types. Undefined: not ours, or no question. */
export function answerFor(
  query: Buffer,
  names: ReadonlySet<string>,
  address: string,
): Buffer | undefined {
  const question = readQuestion(query)
  if (question === undefined || !names.has(question.name)) return undefined
  const isAddress = question.type === typeA
  const reply = Buffer.from(query.subarray(0, question.end))
  reply.writeUInt16BE(0x8580 | (query.readUInt16BE(2) & 0x0100), 2)
  reply.writeUInt16BE(1, 4)
  reply.writeUInt16BE(isAddress ? 1 : 0, 6)
  reply.writeUInt32BE(0, 8)
  if (!isAddress) return reply
  const record = Buffer.from([0xc0, 12, 0, typeA, 0, 1, 0, 0, 0, 60, 0, 4])
  return Buffer.concat([reply, record, Buffer.from(address.split('.').map(Number))])
}

/** SERVFAIL, so that the asker goes on at once. Undefined for what isn't a question. */
export function failureFor(query: Buffer): Buffer | undefined {
  const question = readQuestion(query)
  if (question === undefined) return undefined
  const reply = Buffer.from(query.subarray(0, question.end))
  reply.writeUInt16BE(0x8080 | (query.readUInt16BE(2) & 0x0100) | serverFailure, 2)
  reply.writeUInt16BE(1, 4)
  reply.writeUInt16BE(0, 6)
  reply.writeUInt32BE(0, 8)
  return reply
}

/** The first question of a query: its name in lower case, its type, and where it ends. */
export function readQuestion(
  query: Buffer,
): { name: string; type: number; end: number } | undefined {
  if (query.length < 17 || (query[2]! & 0x80) !== 0 || query.readUInt16BE(4) < 1) return undefined
  const labels: string[] = []
  let at = 12
  for (;;) {
    const length = query[at]
    if (length === undefined || length > 63) return undefined
    at++
    if (length === 0) break
    labels.push(query.toString('latin1', at, at + length))
    at += length
  }
  if (at + 4 > query.length) return undefined
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at), end: at + 4 }
}

/** Asks this container's own resolver; rejects soon when that one doesn't answer. */
export class Forwarder {
  readonly #resolver = resolver()
  #waiting = 0
  #silent = 0
  #awayUntil = 0

  async ask(query: Buffer): Promise<Buffer> {
    if (this.#waiting >= maxWaiting) throw new Error('too many questions at once')
    if (performance.now() < this.#awayUntil) throw new Error('the resolver is away')
    this.#waiting++
    try {
      const reply = await this.#exchange(query)
      this.#silent = 0
      return reply
    } catch (error) {
      if (++this.#silent >= silences) this.#awayUntil = performance.now() + awayMs
      throw error
    } finally {
      this.#waiting--
    }
  }

  #exchange(query: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const socket = createSocket('udp4')
      const finish = (settle: () => void) => {
        clearTimeout(timer)
        socket.close()
        settle()
      }
      const timer = setTimeout(() => finish(() => reject(new Error('no answer'))), timeoutMs)
      socket.once('error', error => finish(() => reject(error)))
      socket.once('message', reply => finish(() => resolve(reply)))
      socket.send(query, 53, this.#resolver)
    })
  }
}

function resolver(): string {
  try {
    const lines = readFileSync('/etc/resolv.conf', 'utf8')
    return /^nameserver\s+(\d+\.\d+\.\d+\.\d+)/m.exec(lines)?.[1] ?? '127.0.0.11'
  } catch {
    return '127.0.0.11'
  }
}
