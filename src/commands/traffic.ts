import { connect } from 'node:net'

const connectTimeoutMs = 2000

/** Does something accept TCP connections there now? Never rejects. */
export function acceptsConnections(
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port, timeout: connectTimeoutMs })
    const answer = (accepts: boolean) => {
      signal.removeEventListener('abort', onAbort)
      socket.destroy()
      resolve(accepts)
    }
    const onAbort = () => answer(false)
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('connect', () => answer(true))
    socket.once('timeout', () => answer(false))
    socket.once('error', () => answer(false))
  })
}
