import { createHash } from 'node:crypto'

/** What a page or a JSON error tells. */
export interface Notice {
  code: string
  status: number
  title: string
  meaning: string
  next: string
}

export interface Page {
  status: number
  headers: Record<string, string>
  body: string
}

const style = `
:root { color-scheme: light dark; --ink: #1c2024; --quiet: #60646c; --paper: #fcfcfd; --line: #e0e1e6 }
@media (prefers-color-scheme: dark) { :root { --ink: #edeef0; --quiet: #b0b4ba; --paper: #111113; --line: #2e3135 } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--paper); color: var(--ink);
  font: 1rem/1.6 system-ui, sans-serif }
main { max-width: 34rem; padding: 2rem }
h1 { margin: 0 0 .5rem; font-size: 1.5rem; line-height: 1.3; font-weight: 600 }
p { margin: 0 0 .75rem }
footer { margin-top: 2rem; padding-top: .75rem; border-top: 1px solid var(--line); color: var(--quiet);
  font: .8125rem/1.6 ui-monospace, monospace; overflow-wrap: anywhere }
`
const policy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`

/** The notice in the form that `accept` asks for: HTML, JSON or plain text. */
export function page(notice: Notice, accept: string | undefined, requestId: string): Page {
  const [type, body] = render(notice, accept ?? '', requestId)
  return {
    status: notice.status,
    headers: {
      'Content-Type': `${type}; charset=utf-8`,
      'Content-Length': String(Buffer.byteLength(body)),
      'Cache-Control': 'no-cache, no-store',
      'Content-Security-Policy': policy,
      'X-Content-Type-Options': 'nosniff',
      'X-Request-Id': requestId,
      Connection: 'close',
    },
    body,
  }
}

function render(notice: Notice, accept: string, requestId: string): [string, string] {
  const { code, status, title, meaning, next } = notice
  if (/\btext\/html\b/i.test(accept)) return ['text/html', html(notice, requestId)]
  if (/\bapplication\/(?:[\w.-]+\+)?json\b/i.test(accept))
    return [
      'application/json',
      `${JSON.stringify({ id: code, status, message: `${title}. ${meaning}`, next, request_id: requestId })}\n`,
    ]
  return ['text/plain', `${code} ${title}\n${meaning}\n${next}\nrequest ${requestId}\n`]
}

function html(notice: Notice, requestId: string): string {
  const [code, title, meaning, next, id] = [
    notice.code,
    notice.title,
    notice.meaning,
    notice.next,
    requestId,
  ].map(escapeHtml)
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><style>${style}</style></head>
<body><main><h1>${title}</h1><p>${meaning}</p><p>${next}</p><footer>${code} · HTTP ${notice.status} · request ${id}</footer></main></body>
</html>
`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, one => `&#${one.charCodeAt(0)};`)
}
