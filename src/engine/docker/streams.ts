import type { Duplex } from 'node:stream'
import { Failure } from '../../lib/index.ts'
import type { Attachment, OutputChunk } from '../index.ts'
import type { Hijacked } from './client.ts'
import { frames, plain } from './frames.ts'

/** An attachment over a raw connection. `ended` resolves when the engine has closed its side and the output was read. */
export function attachmentOf(
  hijacked: Hijacked,
  tty: boolean,
): Attachment & { ended(): Promise<void> } {
  const { socket } = hijacked
  const closed = new Promise<void>(resolve => {
    if (socket.destroyed) resolve()
    socket.once('close', () => resolve())
  })
  // a broken pipe shows in `write`, a broken read in `output`; without a listener either would end the process
  socket.on('error', () => {})
  let isTaken = false
  const output = async function* (): AsyncGenerator<OutputChunk> {
    if (isTaken) throw new Failure('conflict', 'The output of an attachment can be read once.')
    isTaken = true
    yield* tty ? plain(received(hijacked)) : frames(received(hijacked))
  }
  return {
    write: bytes => write(socket, bytes),
    end: () => void socket.end(),
    output: { [Symbol.asyncIterator]: output },
    async ended() {
      // leave a caller who asked for the exit code first the turn to begin reading
      await new Promise(resolve => setImmediate(resolve))
      if (!isTaken) {
        isTaken = true
        socket.resume()
      }
      await closed
    },
  }
}

async function* received({ socket, head }: Hijacked): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head
  try {
    yield* socket as AsyncIterable<Uint8Array>
  } catch (error) {
    throw new Failure('unavailable', 'The connection to the engine broke.', { cause: error })
  }
}

function write(socket: Duplex, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, error => {
      if (error == null) resolve()
      else
        reject(
          new Failure('conflict', 'The program no longer reads its standard input.', {
            cause: error,
          }),
        )
    })
  })
}
