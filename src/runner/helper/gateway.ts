/**
 * Main program of the helper container: Slipway's front door on the job's network.
 *
 * Ports 80 and 443 lead, byte by byte, to Slipway's sockets below /run/slipway. Port 53 answers the platform's names with this
 * container's address and forwards the rest: what an inner Docker Engine starts has no other way to find them.
 */
import { createSocket } from 'node:dgram'
import { connect, createServer, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { answerFor, Forwarder, failureFor } from './dns.ts'

const names = new Set(process.argv.slice(2).map(name => name.toLowerCase()))
const address = Object.values(networkInterfaces())
  .flat()
  .find(one => one && !one.internal && one.family === 'IPv4')?.address

process.on('SIGTERM', () => process.exit(0))
process.on('SIGINT', () => process.exit(0))
// One broken connection must not take the gateway down for all others.
process.on('uncaughtException', error => console.error(String(error)))

forward(80, '/run/slipway/http.sock')
forward(443, '/run/slipway/https.sock')
serveNames()

function forward(port: number, path: string): void {
  createServer({ allowHalfOpen: true, noDelay: true }, client => {
    const server = connect({ path, allowHalfOpen: true })
    join(client, server)
    join(server, client)
  }).listen(port)
}

function join(from: Socket, to: Socket): void {
  from.pipe(to)
  from.on('error', () => to.destroy())
  from.on('close', hadError => {
    if (hadError || !from.readableEnded) to.destroy()
  })
}

function serveNames(): void {
  const forwarder = new Forwarder()
  const answer = async (query: Buffer) => {
    try {
      return answerFor(query, names, address ?? '127.0.0.1') ?? (await forwarder.ask(query))
    } catch {
      return failureFor(query)
    }
  }
  const socket = createSocket('udp4')
  socket.on('message', (query, peer) => {
    void answer(query).then(reply => {
      if (reply) socket.send(reply, peer.port, peer.address)
    })
  })
  socket.bind(53)
  createServer(client => {
    let received = Buffer.alloc(0)
    client.setTimeout(10_000, () => client.destroy())
    client.on('error', () => {})
    client.on('data', chunk => {
      received = Buffer.concat([received, chunk])
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0)
        const query = received.subarray(2, end)
        received = received.subarray(end)
        void answer(query).then(reply => {
          if (!reply || client.destroyed) return
          const length = Buffer.alloc(2)
          length.writeUInt16BE(reply.length)
          client.write(Buffer.concat([length, reply]))
        })
      }
    })
  }).listen(53)
}
