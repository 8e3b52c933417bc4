import { Failure } from '../../lib/index.ts'
import type { LocalServer } from '../local-client.ts'

/** The public API, as root. */
export interface Client {
  readonly server: LocalServer
  /** GitLab's dialect; undefined for 404. Throws `Failure` with the server's own message. */
  gitlab<T>(method: string, path: string, body?: unknown): Promise<T | undefined>
  /** Heroku's dialect, alike. */
  heroku<T>(method: string, path: string, body?: unknown): Promise<T | undefined>
  /** Something changed: one value an event, the first at once. */
  changes(signal: AbortSignal): AsyncIterable<void>
}

export function createClient(server: LocalServer): Client {
  const { origin, token } = server
  async function call<T>(
    method: string,
    url: string,
    headers: Record<string, string>,
    body?: unknown,
  ): Promise<T | undefined> {
    const response = await fetch(url, {
      method,
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (response.status === 404) return undefined
    if (!response.ok)
      throw new Failure(
        'internal',
        `${method} ${new URL(url).pathname}: ${response.status} ${text.slice(0, 500)}`,
      )
    return text === '' ? undefined : (JSON.parse(text) as T)
  }
  return {
    server,
    gitlab: (method, path, body) =>
      call(method, `${origin}/api/v4${path}`, { 'private-token': token.reveal() }, body),
    heroku: (method, path, body) =>
      call(
        method,
        origin + path,
        {
          authorization: `Bearer ${token.reveal()}`,
          accept: 'application/vnd.heroku+json; version=3',
        },
        body,
      ),
    async *changes(signal) {
      const headers = { 'private-token': token.reveal(), accept: 'text/event-stream' }
      const response = await fetch(`${origin}/api/v4/events`, { headers, signal })
      if (!response.ok || response.body === null)
        throw new Failure('internal', `the server sends no events: ${response.status}`)
      yield
      for await (const _chunk of response.body) yield
    },
  }
}
