import { Failure } from '../lib/index.ts'
import type { RefUpdate } from './index.ts'
import { type Packet, PacketReader } from './pkt-line.ts'
import { isSha } from './ref-name.ts'

const maxHeaderBytes = 8 * 1024 * 1024
const maxCommands = 20_000
const maxOptions = 100

/** The beginning of a `git-receive-pack` request: what the pusher asks for, before the pack. */
export interface PushRequest {
  updates: RefUpdate[]
  options: string[]
  capabilities: ReadonlySet<string>
  /** All bytes read so far; git gets them first. */
  head: Buffer
  /** The bytes after them. */
  rest: AsyncIterator<Uint8Array>
}

/** Reads commands and push options (gitprotocol-pack, "Reference Update Request"). Throws `Failure('invalid' | 'too_large')`. */
export async function readPushRequest(body: AsyncIterable<Uint8Array>): Promise<PushRequest> {
  const rest = body[Symbol.asyncIterator]()
  const reader = new PacketReader()
  const seen: Uint8Array[] = []
  let size = 0

  async function next(): Promise<Packet | undefined> {
    for (;;) {
      const packet = take(reader)
      if (packet !== undefined) return packet
      const more = await rest.next()
      if (more.done) return undefined
      size += more.value.length
      if (size > maxHeaderBytes) throw new Failure('too_large', 'The push names too many refs.')
      seen.push(more.value)
      reader.add(more.value)
    }
  }

  const updates: RefUpdate[] = []
  let capabilities = new Set<string>()
  for (let packet = await next(); packet !== undefined && !packet.isFlush; packet = await next()) {
    const [line = '', words] = packet.payload.toString('utf8').replace(/\n$/, '').split('\0')
    if (words !== undefined) capabilities = new Set(words.trim().split(' '))
    if (line.startsWith('shallow ')) continue
    updates.push(commandOf(line))
    if (updates.length > maxCommands)
      throw new Failure('too_large', `The push names more than ${maxCommands} refs.`)
  }
  const options: string[] = []
  if (updates.length > 0 && capabilities.has('push-options')) {
    for (let one = await next(); one !== undefined && !one.isFlush; one = await next()) {
      options.push(one.payload.toString('utf8').replace(/\n$/, ''))
      if (options.length > maxOptions) throw new Failure('too_large', 'Too many push options.')
    }
  }
  return { updates, options, capabilities, head: Buffer.concat(seen), rest }
}

function take(reader: PacketReader): Packet | undefined {
  try {
    return reader.next()
  } catch (error) {
    throw new Failure('invalid', 'This is not a push as git sends it.', { cause: error })
  }
}

function commandOf(line: string): RefUpdate {
  const [before = '', after = '', ...name] = line.split(' ')
  if (!isSha(before) || !isSha(after) || name.length === 0)
    throw new Failure(
      'invalid',
      'This is not a push as git sends it, or one with SHA-256 names, which are not supported.',
    )
  return { ref: name.join(' '), before, after }
}
