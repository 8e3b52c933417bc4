/**
 * Waits until one of a service's ports accepts a connection: `wait.js HOST TIMEOUT_MS PORT…`. Exit code 0: one does; 1: none did in time,
 * with the last error on standard output.
 */
import { connect } from 'node:net'

const [host = '', timeoutMs = '', ...ports] = process.argv.slice(2)
const until = performance.now() + Number(timeoutMs)
let pauseMs = 10
let lastError = 'no ports'

for (;;) {
  const open = await Promise.all(ports.map(port => opens(Number(port))))
  if (open.includes(true)) process.exit(0)
  if (performance.now() + pauseMs >= until) break
  await new Promise(resolve => setTimeout(resolve, pauseMs))
  pauseMs = Math.min(250, pauseMs * 1.5)
}
console.log(lastError)
process.exit(1)

function opens(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ port, host })
    const finish = (isOpen: boolean) => {
      socket.destroy()
      resolve(isOpen)
    }
    socket.setTimeout(2_000, () => finish(false))
    socket.once('connect', () => finish(true))
    socket.once('error', error => {
      lastError = error.message
      finish(false)
    })
  })
}
