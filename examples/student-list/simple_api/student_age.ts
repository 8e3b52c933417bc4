/**
 * The student list's API: names and ages, behind Basic authentication.
 *
 * GET /pozos/api/v1.0/get_student_ages          every student with their age
 * GET /pozos/api/v1.0/get_student_ages/<name>   one student's age
 *
 * Run by Node 24 as it stands: `node student_age.ts`. No package is needed.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'

export interface Settings {
  username: string
  password: string
  /** Age by name. */
  students: Readonly<Record<string, string>>
  /** Gets one line a request. */
  log: (line: string) => void
}

interface Answer {
  status: number
  body: unknown
  headers?: Record<string, string>
}

const collection = '/pozos/api/v1.0/get_student_ages'

/** The API as a server that doesn't listen yet. */
export function createStudentApi(settings: Settings): Server {
  return createServer((request, response) => {
    const { status, body, headers } = answer(request, settings)
    const text = `${JSON.stringify(body)}\n`
    response.writeHead(status, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(text),
      ...headers,
    })
    settings.log(`${request.method} ${request.url} ${status}`)
    response.end(request.method === 'HEAD' ? undefined : text)
  })
}

function answer(request: IncomingMessage, settings: Settings): Answer {
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
  if (path !== collection && !path.startsWith(`${collection}/`))
    return { status: 404, body: { error: 'Not found' } }
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { status: 405, body: { error: 'Method not allowed' }, headers: { allow: 'GET, HEAD' } }
  if (!isAllowed(request.headers.authorization, settings))
    return {
      status: 401,
      body: { error: 'Unauthorized access' },
      headers: { 'www-authenticate': 'Basic realm="Student list", charset="UTF-8"' },
    }
  if (path === collection) return { status: 200, body: { student_ages: settings.students } }
  const name = decode(path.slice(collection.length + 1))
  if (name === undefined || !Object.hasOwn(settings.students, name))
    return { status: 404, body: { error: 'Not found' } }
  return { status: 200, body: { [name]: settings.students[name] } }
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Compares digests, so that the time it takes tells nothing about the password. */
function isAllowed(authorization: string | undefined, { username, password }: Settings): boolean {
  const encoded = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '')?.[1]
  if (encoded === undefined) return false
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const given = Buffer.from(encoded, 'base64').toString('utf8')
  return timingSafeEqual(digest(given), digest(`${username}:${password}`))
}

function main(): void {
  const file = new URL(process.env['STUDENT_AGE_FILE'] ?? 'student_age.json', import.meta.url)
  const server = createStudentApi({
    username: process.env['STUDENT_API_USERNAME'] ?? 'toto',
    password: process.env['STUDENT_API_PASSWORD'] ?? 'python',
    students: JSON.parse(readFileSync(file, 'utf8')),
    log: line => console.log(line),
  })
  const port = Number(process.env['PORT'] ?? 5000)
  server.listen(port, () => console.log(`student list API listens on port ${port}`))
  // Requests that are under way are answered; new ones are no longer taken.
  const stop = () => {
    console.log('student list API stops')
    server.close()
    server.closeIdleConnections()
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}

if (import.meta.main) main()
