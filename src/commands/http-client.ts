import { request } from 'undici'
import type { HttpClient } from '../registry/index.ts'

/** Requests to a mirror's upstream: no redirects by itself, so that the registry decides who may see credentials. */
export const httpClient: HttpClient = async ({ method, url, headers, signal }) => {
  const answer = await request(url, {
    method,
    headers,
    signal,
    headersTimeout: 30_000,
    bodyTimeout: 120_000,
  })
  const plain = Object.entries(answer.headers).map(
    ([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value] as const,
  )
  return { status: answer.statusCode, headers: Object.fromEntries(plain), body: answer.body }
}
