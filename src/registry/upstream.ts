import type { Clock } from '../lib/index.ts'
import { Failure, messageOf } from '../lib/index.ts'
import { manifestLimitBytes } from './manifest.ts'
import { acceptedTypes } from './media-types.ts'
import type { HttpClient, MirrorUpstream } from './ports.ts'

type Answer = Awaited<ReturnType<HttpClient>>

/** Another registry, as a client sees it. Every call throws `Failure('unavailable')` when it is away, refuses or is too busy. */
export interface Upstream {
  /** Undefined: it says that there is no such manifest. */
  manifest(
    path: string,
    reference: string,
  ): Promise<{ raw: Uint8Array; mediaType: string } | undefined>
  /** The digest that a reference means now, without its bytes. */
  manifestDigest(path: string, reference: string): Promise<string | undefined>
  blobSize(path: string, digest: string): Promise<number | undefined>
  blob(
    path: string,
    digest: string,
  ): Promise<{ sizeBytes: number; body: AsyncIterable<Uint8Array> } | undefined>
}

const manifestTimeoutMs = 20_000
const blobTimeoutMs = 3_600_000
/** After a failed connection, nobody waits for the next one so soon. */
const pauseMs = 10_000
const maxRedirects = 5
const maxTokens = 500

interface State {
  upstream: MirrorUpstream
  http: HttpClient
  clock: Clock
  /** Authorization headers by path. */
  authorizations: Map<string, { value: string; until: number }>
  pause: { until: number; why: string }
}

export function createUpstream(upstream: MirrorUpstream, http: HttpClient, clock: Clock): Upstream {
  const state: State = {
    ...{ upstream, http, clock },
    authorizations: new Map(),
    pause: { until: 0, why: '' },
  }
  const blobAt = (method: 'GET' | 'HEAD', path: string, digest: string) =>
    send(state, method, path, `blobs/${digest}`, blobTimeoutMs)
  return {
    async manifest(path, reference) {
      const answer = await send(state, 'GET', path, `manifests/${reference}`, manifestTimeoutMs)
      if (answer === undefined) return undefined
      const raw = await collect(answer.body, manifestLimitBytes)
      return { raw, mediaType: answer.headers['content-type'] ?? '' }
    },
    async manifestDigest(path, reference) {
      const answer = await send(state, 'HEAD', path, `manifests/${reference}`, manifestTimeoutMs)
      await leave(answer)
      return answer?.headers['docker-content-digest']
    },
    async blobSize(path, digest) {
      const answer = await blobAt('HEAD', path, digest)
      await leave(answer)
      return answer && Number(answer.headers['content-length'])
    },
    async blob(path, digest) {
      const answer = await blobAt('GET', path, digest)
      if (answer === undefined) return undefined
      return { sizeBytes: Number(answer.headers['content-length']), body: answer.body }
    },
  }
}

/** One request, with a token if it takes one, to the end of its redirects. Undefined for 404. */
async function send(
  state: State,
  method: 'GET' | 'HEAD',
  path: string,
  rest: string,
  timeoutMs: number,
): Promise<Answer | undefined> {
  const { pause, clock, upstream } = state
  if (clock.now() < pause.until) throw away(upstream, pause.why)
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    const url = `${upstream.url.replace(/\/$/, '')}/v2/${path}/${rest}`
    let answer = await follow(state, method, url, path, signal)
    if (answer.status === 401 && (await renew(state, path, answer, signal))) {
      await leave(answer)
      answer = await follow(state, method, url, path, signal)
    }
    return await judge(state, answer)
  } catch (error) {
    if (error instanceof Failure) throw error
    state.pause = { until: clock.now() + pauseMs, why: messageOf(error) }
    throw away(upstream, messageOf(error))
  }
}

/** Redirects go to storage elsewhere, which must not see our authorization. */
async function follow(
  state: State,
  method: 'GET' | 'HEAD',
  first: string,
  path: string,
  signal: AbortSignal,
): Promise<Answer> {
  let url = first
  for (let count = 0; ; count++) {
    const known = state.authorizations.get(path)
    const isFresh = known !== undefined && known.until > state.clock.now()
    const mayTell = isFresh && new URL(url).origin === new URL(first).origin
    const headers = {
      accept: acceptedTypes,
      'user-agent': 'slipway',
      ...(mayTell && { authorization: known.value }),
    }
    const answer = await state.http({ method, url, headers, signal })
    const to = answer.headers['location']
    if (answer.status < 300 || answer.status > 399 || to === undefined || count >= maxRedirects)
      return answer
    await leave(answer)
    url = new URL(to, url).href
  }
}

async function judge(state: State, answer: Answer): Promise<Answer | undefined> {
  if (answer.status === 200) return answer
  await leave(answer)
  if (answer.status === 404) return undefined
  if (answer.status === 429) {
    const seconds = Number(answer.headers['retry-after'])
    const waitMs = Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 3600) * 1000 : 60_000
    state.pause = { until: state.clock.now() + waitMs, why: 'its rate limit is reached (429)' }
    throw away(state.upstream, state.pause.why)
  }
  // Docker Hub answers 401 and 403 for repositories that aren't there, too.
  if (answer.status === 401 || answer.status === 403) return undefined
  throw away(state.upstream, `it answered ${answer.status}`)
}

/** Gets what a 401 asks for. The credentials go to the upstream itself and to the realms that belong to it, nowhere else. */
async function renew(
  state: State,
  path: string,
  answer: Answer,
  signal: AbortSignal,
): Promise<boolean> {
  const challenge = answer.headers['www-authenticate'] ?? ''
  const { credentials, url } = state.upstream
  const basic =
    credentials &&
    `Basic ${Buffer.from(`${credentials.username}:${credentials.password.reveal()}`).toString('base64')}`
  if (/^basic/i.test(challenge)) {
    if (basic === undefined) return false
    remember(state, path, basic, 3600)
    return true
  }
  const realm = /realm="([^"]+)"/i.exec(challenge)?.[1]
  if (!/^bearer/i.test(challenge) || realm === undefined) return false
  const target = new URL(realm, url)
  if (target.protocol !== 'https:' && target.protocol !== new URL(url).protocol) return false
  target.searchParams.set('service', /service="([^"]+)"/i.exec(challenge)?.[1] ?? '')
  target.searchParams.set('scope', `repository:${path}:pull`)
  const mayTell = isOwnRealm(state.upstream, target)
  const headers: Record<string, string> =
    basic !== undefined && mayTell ? { authorization: basic } : {}
  const granted = await state.http({ method: 'GET', url: target.href, headers, signal })
  const body = await collect(granted.body, 64 * 1024)
  if (granted.status !== 200) return false
  const { token, access_token, expires_in } = JSON.parse(body.toString())
  remember(state, path, `Bearer ${token ?? access_token}`, Number(expires_in ?? 60))
  return true
}

function isOwnRealm(upstream: MirrorUpstream, realm: URL): boolean {
  const own = new URL(upstream.url)
  if (realm.origin === own.origin) return true
  return realm.protocol === 'https:' && (upstream.realmHosts ?? []).includes(realm.host)
}

function remember(state: State, path: string, value: string, seconds: number): void {
  if (state.authorizations.size >= maxTokens) state.authorizations.clear()
  const until = state.clock.now() + Math.max(5, seconds - 10) * 1000
  state.authorizations.set(path, { value, until })
}

function away(upstream: MirrorUpstream, why: string): Failure {
  return new Failure('unavailable', `${upstream.prefix} can't be asked: ${why}`, {
    hint: `Try again later, or push the image to ${upstream.prefix}/… of this registry as an administrator`,
  })
}

async function collect(body: AsyncIterable<Uint8Array>, limitBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > limitBytes) throw new Failure('unavailable', 'the upstream’s answer is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Ends an answer whose body nobody wants. */
async function leave(answer: Answer | undefined): Promise<void> {
  if (answer === undefined) return
  for await (const _ of answer.body) break
}
