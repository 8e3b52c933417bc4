import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { heroku } from './heroku.ts'

interface Seen {
  method: string
  url: string
  accept: string | undefined
  authorization: string | undefined
  range: string | undefined
  body: string
}
type Reply = [status: number, body: unknown]

let server: Server
let origin: string
let seen: Seen[]
let replies: (one: Seen) => Reply

const releases = {
  before: [{ id: 'r1', status: 'succeeded' }],
  after: [{ id: 'r2', status: 'succeeded' }],
}

beforeEach(async () => {
  seen = []
  server = createServer(async (request: IncomingMessage, response) => {
    const { accept, authorization, range } = request.headers
    const one = {
      ...{ method: request.method ?? '', url: request.url ?? '', accept, authorization },
      range: range as string | undefined,
      body: await text(request),
    }
    seen.push(one)
    const [status, body] = replies(one)
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  replies = happy
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

function happy({ method, url }: Seen): Reply {
  if (url === '/apps/shop') return [200, { stack: { name: 'container' } }]
  if (url.startsWith('/v2/')) return [200, { config: { digest: `sha256:${url.split('/')[3]}` } }]
  if (method === 'PATCH') return [200, []]
  const isReleased = seen.some(one => one.method === 'PATCH')
  if (url === '/apps/shop/releases') return [200, isReleased ? releases.after : releases.before]
  return [404, { id: 'not_found', message: `Couldn't find ${url}.` }]
}

async function run(args: string[], env: Record<string, string> = {}) {
  let out = ''
  let err = ''
  const write = {
    out: (part: string) => {
      out += part
    },
    err: (part: string) => {
      err += part
    },
  }
  const all = { HEROKU_HOST: origin, HEROKU_API_KEY: 'key', ...env }
  return { exitCode: await heroku(args, all, write, async () => {}), out, err }
}

describe('container:release', () => {
  it('makes the calls of the real CLI, in their order', async () => {
    const ended = await run(['container:release', 'web', 'worker', '--app', 'shop'])
    expect(ended).toEqual({
      exitCode: 0,
      out: '',
      err: 'Releasing images web,worker to shop... done\n',
    })
    expect(seen.map(one => `${one.method} ${one.url}`)).toEqual([
      'GET /apps/shop',
      'GET /v2/shop/web/manifests/latest',
      'GET /v2/shop/worker/manifests/latest',
      'GET /apps/shop/releases',
      'PATCH /apps/shop/formation',
      'GET /apps/shop/releases',
    ])
    expect(seen[0]?.authorization).toBe('Bearer key')
    expect(seen[1]).toMatchObject({
      accept: 'application/vnd.docker.distribution.manifest.v2+json',
      authorization: `Basic ${Buffer.from(':key').toString('base64')}`,
    })
    expect(seen[3]?.range).toBe('version ..; max=1, order=desc')
    expect(seen[4]?.accept).toBe('application/vnd.heroku+json; version=3.docker-releases')
    expect(JSON.parse(seen[4]?.body ?? '')).toEqual({
      updates: [
        { type: 'web', docker_image: 'sha256:web' },
        { type: 'worker', docker_image: 'sha256:worker' },
      ],
    })
  })

  it('takes -a and HEROKU_APP', async () => {
    expect((await run(['container:release', '-a', 'shop', 'web'])).exitCode).toBe(0)
    expect((await run(['container:release', 'web'], { HEROKU_APP: 'shop' })).exitCode).toBe(0)
  })

  it('tells the platform’s message and id, and ends with 2', async () => {
    const ended = await run(['container:release', 'web', '--app', 'other'])
    expect(ended.exitCode).toBe(2)
    expect(ended.err).toContain("Error: Couldn't find /apps/other.")
    expect(ended.err).toContain('Error ID: not_found')
  })

  it('says which image was never pushed', async () => {
    replies = one => (one.url.startsWith('/v2/') ? [404, {}] : happy(one))
    const ended = await run(['container:release', 'web', '--app', 'shop'])
    expect(ended.exitCode).toBe(1)
    expect(ended.err).toContain('/shop/web first')
  })

  it('refuses an app that is not for images', async () => {
    replies = () => [200, { stack: { name: 'heroku-24' } }]
    const ended = await run(['container:release', 'web', '--app', 'shop'])
    expect(ended.exitCode).toBe(1)
    expect(ended.err).toContain('Docker apps only')
  })

  it('shows what the release command prints and ends with 1 when it failed', async () => {
    const pending = { id: 'r2', status: 'pending', output_stream_url: `${origin}/output` }
    replies = one => {
      if (one.url === '/output') return [200, 'migrating\n']
      if (one.url === '/apps/shop/releases/r2') return [200, { ...pending, status: 'failed' }]
      const isAfter =
        one.url === '/apps/shop/releases' && seen.some(({ method }) => method === 'PATCH')
      return isAfter ? [200, [pending]] : happy(one)
    }
    const ended = await run(['container:release', 'web', '--app', 'shop'])
    expect(ended.out).toBe('Running release command...\nmigrating\n')
    expect(ended.exitCode).toBe(1)
  })

  it('says that nothing answers, after some tries', async () => {
    const ended = await run(['container:release', 'web', '-a', 'shop'], {
      HEROKU_HOST: 'http://127.0.0.1:1',
    })
    expect(ended.exitCode).toBe(1)
    expect(ended.err).toContain("127.0.0.1:1 can't be reached")
  })

  it('asks for what is missing', async () => {
    expect((await run(['container:release', 'web'])).err).toContain('Missing required flag app')
    expect((await run(['container:release', '-a', 'shop'])).err).toContain('process types')
    const ended = await run(['container:release', 'web', '-a', 'shop'], { HEROKU_API_KEY: '' })
    expect(ended.exitCode).toBe(100)
  })
})

describe('the rest', () => {
  it('names a command that it has not', async () => {
    const ended = await run(['container:push', 'web'])
    expect(ended.exitCode).toBe(127)
    expect(ended.err).toContain('container:push')
  })
})
