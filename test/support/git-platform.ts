import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export interface GitPlatform {
  /** Holds `http.sock` and `https.sock`. */
  readonly socketDirectory: string
  /** The commit at the tip of `master`. */
  readonly sha: string
  /** `host method path` of each request. */
  readonly requests: string[]
  close(): Promise<void>
}

/**
 * What jobs reach behind the gateway in tests: one repository `pozos/student-list.git` by git's own http-backend (job tokens only), and
 * `handle` for the rest, over HTTP and over TLS.
 */
export async function startGitPlatform(options: {
  files: Record<string, string>
  tls?: { key: string; cert: string }
  handle?: RequestListener
}): Promise<GitPlatform> {
  const directory = mkdtempSync(join(tmpdir(), 'slipway-platform-'))
  const sha = makeRepository(directory, options.files)
  const requests: string[] = []
  const listener: RequestListener = (request, response) => {
    requests.push(`${request.headers.host} ${request.method} ${request.url}`)
    if (request.url?.includes('.git/')) serveGit(directory, request, response)
    else if (options.handle) options.handle(request, response)
    else response.end('slipway\n')
  }
  const servers = [listen(createServer(listener), join(directory, 'http.sock'))]
  if (options.tls)
    servers.push(listen(createSecureServer(options.tls, listener), join(directory, 'https.sock')))
  const running = await Promise.all(servers)
  return {
    socketDirectory: directory,
    sha,
    requests,
    async close() {
      for (const server of running) {
        server.closeAllConnections()
        await new Promise(resolve => server.close(resolve))
      }
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function listen<S extends ReturnType<typeof createServer> | ReturnType<typeof createSecureServer>>(
  server: S,
  path: string,
): Promise<S> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => resolve(server))
  })
}

function makeRepository(directory: string, files: Record<string, string>): string {
  const work = join(directory, 'work')
  const git = (...words: string[]) =>
    execFileSync('git', [
      '-C',
      work,
      '-c',
      'user.name=T',
      '-c',
      'user.email=t@example.com',
      ...words,
    ])
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(work, path)), { recursive: true })
    writeFileSync(join(work, path), content)
  }
  execFileSync('git', ['init', '-q', '-b', 'master', work])
  git('add', '-A')
  git('commit', '-q', '--allow-empty', '-m', 'Start')
  const bare = join(directory, 'pozos', 'student-list.git')
  execFileSync('git', ['clone', '-q', '--bare', work, bare])
  return git('rev-parse', 'HEAD').toString().trim()
}

function serveGit(root: string, request: IncomingMessage, response: ServerResponse): void {
  const authorization = request.headers.authorization ?? ''
  const user = Buffer.from(authorization.replace(/^Basic /, ''), 'base64').toString()
  if (!user.startsWith('gitlab-ci-token:glcbt-')) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end()
    return
  }
  const [path = '', query = ''] = (request.url ?? '').split('?')
  const backend = spawn('git', ['http-backend'], {
    env: {
      ...process.env,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: path,
      QUERY_STRING: query,
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
    },
  })
  request.pipe(backend.stdin)
  const chunks: Buffer[] = []
  backend.stdout.on('data', chunk => chunks.push(chunk))
  backend.on('close', () => {
    const all = Buffer.concat(chunks)
    const end = all.indexOf('\r\n\r\n')
    for (const line of all.toString('latin1', 0, end).split('\r\n')) {
      const colon = line.indexOf(':')
      if (line.startsWith('Status:')) response.statusCode = Number(line.slice(8, 11))
      else response.setHeader(line.slice(0, colon), line.slice(colon + 2))
    }
    response.end(all.subarray(end + 4))
  })
}
