import { request } from 'undici'
import { Failure, messageOf } from '../../lib/index.ts'
import type { LocalServer } from '../local-client.ts'

const requestTimeoutMs = 30_000

/** The public API of a server, in both dialects. Every call ends with the signal. */
export interface Client {
  /** GitLab's API, path below `/api/v4`. Undefined for 404. */
  gitlab<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T | undefined>
  /** Heroku's API. Undefined for 404. */
  heroku<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T | undefined>
  /** The trace of a job. */
  text(path: string): Promise<string>
  /** An app through the router: its status and body. */
  visit(webUrl: string, path: string, basic: string): Promise<{ status: number; body: string }>
  /** One value a live change of the project; it connects again when the connection breaks. */
  changes(projectId: number): AsyncIterable<void>
}

export function createClient(server: LocalServer, signal: AbortSignal): Client {
  const bounded = () => AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)])

  const call = async <T>(
    method: 'GET' | 'POST',
    path: string,
    headers: Record<string, string>,
    body?: unknown,
  ): Promise<T | undefined> => {
    const answer = await request(`${server.origin}${path}`, {
      method,
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: bounded(),
    }).catch((error: unknown) => {
      signal.throwIfAborted()
      throw new Failure('unavailable', `${server.origin} does not answer: ${messageOf(error)}`)
    })
    const text = await answer.body.text()
    if (answer.statusCode === 404) return undefined
    if (answer.statusCode >= 300)
      throw new Failure('unavailable', `${method} ${path}: ${answer.statusCode} ${text}`)
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  const gitlabHeaders = () => ({ 'private-token': server.token.reveal() })
  return {
    gitlab: (method, path, body) => call(method, `/api/v4${path}`, gitlabHeaders(), body),
    heroku: (method, path, body) =>
      call(
        method,
        path,
        {
          accept: 'application/vnd.heroku+json; version=3',
          authorization: `Bearer ${server.token.reveal()}`,
        },
        body,
      ),
    async text(path) {
      const url = `${server.origin}/api/v4${path}`
      const answer = await request(url, { headers: gitlabHeaders(), signal: bounded() })
      return answer.body.text()
    },
    async visit(webUrl, path, basic) {
      // Not every resolver knows names below localhost: the server's own address, with the app's name as Host.
      const answer = await request(`${server.origin}${path}`, {
        headers: {
          host: new URL(webUrl).host,
          authorization: `Basic ${Buffer.from(basic).toString('base64')}`,
        },
        signal: bounded(),
      })
      return { status: answer.statusCode, body: await answer.body.text() }
    },
    async *changes(projectId) {
      for (let failures = 0; failures < 10; ) {
        signal.throwIfAborted()
        try {
          const answer = await request(`${server.origin}/api/v4/events?project_id=${projectId}`, {
            headers: { ...gitlabHeaders(), accept: 'text/event-stream' },
            signal,
            bodyTimeout: 0,
          })
          // What happened before the connection stood shows by asking once.
          yield
          for await (const chunk of answer.body) {
            failures = 0
            if (String(chunk).includes('data:')) yield
          }
        } catch (error) {
          signal.throwIfAborted()
          if (error instanceof Failure) throw error
        }
        failures++
        await new Promise(resolve => setTimeout(resolve, 200 * failures))
      }
      throw new Failure('unavailable', 'the server ended the stream of changes again and again')
    },
  }
}
