import { createReadStream, existsSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Handler } from './front.ts'

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
}

const securityHeaders = {
  'content-security-policy':
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'x-frame-options': 'DENY',
}

/** Where `npm run build` in web/ leaves the console. */
export const consoleBuild = fileURLToPath(new URL('../../web/dist', import.meta.url))

/** Serves the console's build; every path that isn't a file is the application (its router knows the rest). Without a build it says where to look instead. */
export function serveConsole(directory: string, url: string): Handler {
  return (request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false
    const index = path.join(directory, 'index.html')
    if (!existsSync(index)) {
      response
        .writeHead(200, { 'content-type': 'text/plain; charset=utf-8', ...securityHeaders })
        .end(withoutConsole(url))
      return true
    }
    const file = fileFor(directory, request.url ?? '/') ?? index
    const isHashed = path.dirname(file).endsWith(`${path.sep}assets`)
    response.writeHead(200, {
      'content-type': types[path.extname(file)] ?? 'application/octet-stream',
      'cache-control': isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
      'content-length': statSync(file).size,
      ...securityHeaders,
    })
    if (request.method === 'HEAD') response.end()
    else createReadStream(file).pipe(response)
    return true
  }
}

/** The file that a URL names inside `directory`, if there is one; never one outside. */
function fileFor(directory: string, url: string): string | undefined {
  let pathname: string
  try {
    pathname = decodeURIComponent(url.split('?')[0]!)
  } catch {
    return undefined
  }
  if (pathname.includes('\0') || pathname.includes('\\')) return undefined
  const file = path.join(directory, path.posix.normalize(`/${pathname}`))
  const isInside = file.startsWith(directory + path.sep)
  return isInside && existsSync(file) && statSync(file).isFile() ? file : undefined
}

function withoutConsole(url: string): string {
  return `Slipway is running. The web console isn't built here yet (web/dist is missing).

What works today:
  ${url}/api/openapi.json        the API, described
  ${url}/api/v4/projects         GitLab's API (PRIVATE-TOKEN: …)
  ${url}/-/health                how the house is
  git push ${url}/you/project.git master
  docker login ${url.replace(/^https?:\/\//, '')}
`
}
