import type { OutputChunk } from '../index.ts'

const headerBytes = 8
const standardError = 2

/**
 * Takes Docker's multiplexed stream apart: an 8-byte header (stream, three zeros, length as 32 bits big-endian), then the payload. Payloads are passed on as they
 * come, so a frame's size doesn't bound memory; `first` tells where a frame begins.
 */
export async function* frames(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<OutputChunk & { first: boolean }> {
  const header = Buffer.alloc(headerBytes)
  let headerSize = 0
  let left = 0
  let first = false
  let stream: OutputChunk['stream'] = 'stdout'
  for await (const part of source) {
    let at = 0
    while (at < part.length) {
      if (left === 0) {
        const taken = Math.min(headerBytes - headerSize, part.length - at)
        header.set(part.subarray(at, at + taken), headerSize)
        headerSize += taken
        at += taken
        if (headerSize < headerBytes) break
        stream = header[0] === standardError ? 'stderr' : 'stdout'
        left = header.readUInt32BE(4)
        headerSize = 0
        first = true
        continue
      }
      const bytes = part.subarray(at, at + left)
      at += bytes.length
      left -= bytes.length
      yield { stream, bytes, first }
      first = false
    }
  }
}

/** A terminal's output isn't multiplexed: everything is standard output. */
export async function* plain(source: AsyncIterable<Uint8Array>): AsyncGenerator<OutputChunk> {
  for await (const bytes of source) yield { stream: 'stdout', bytes }
}

/** Objects of a stream of JSON values, one after the other with or without line ends, as the engine sends progress and events. */
export async function* jsonLines<T>(source: AsyncIterable<Uint8Array>): AsyncGenerator<T> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const part of source) {
    text += decoder.decode(part, { stream: true })
    const lines = text.split('\n')
    text = lines.pop()!
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as T
  }
  if (text.trim() !== '') yield JSON.parse(text) as T
}
