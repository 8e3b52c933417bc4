/**
 * A stand-in for the Heroku CLI with the one command that pipelines use: `container:release TYPE... --app APP`, with the calls, output and
 * exit codes of the real one. It is copied alone into an image and run there by Node, so it imports nothing.
 * Environment: HEROKU_API_KEY, HEROKU_HOST (a name, or an origin that serves both API and registry), HEROKU_APP, NODE_EXTRA_CA_CERTS.
 */

interface Environment {
  readonly [name: string]: string | undefined
}

interface Release {
  id: string
  status: string
  output_stream_url?: string | null
}

/** What the CLI tells its user before it ends with this exit code. */
class Refusal extends Error {
  readonly exitCode: number
  constructor(message: string, exitCode: number) {
    super(message)
    this.exitCode = exitCode
  }
}

const usage = `Releases previously pushed Docker images to your Heroku app

USAGE
  $ heroku container:release TYPE... -a APP [-v]

This is a stand-in for the Heroku CLI, with this command only.
`
const requestTimeoutMs = 60_000
const releaseTimeoutMs = 3_600_000
const manifestType = 'application/vnd.docker.distribution.manifest.v2+json'

/** Returns the exit code. `write` gets what goes to standard output and standard error. */
export async function heroku(
  args: readonly string[],
  env: Environment,
  write: { out(text: string): void; err(text: string): void },
  pause: (ms: number) => Promise<void> = ms => new Promise(resolve => setTimeout(resolve, ms)),
): Promise<number> {
  try {
    const [command = 'help', ...rest] = args
    if (['help', '--help', '-h'].includes(command) || rest.includes('--help')) write.out(usage)
    else if (['version', '--version', '-v'].includes(command))
      write.out(`heroku/0.0.0-slipway-stand-in ${process.platform} node-${process.version}\n`)
    else if (command === 'container:release') return await release(parse(rest, env), env)
    else
      throw new Refusal(
        `${command} is not a command of this stand-in: container:release is all`,
        127,
      )
    return 0
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const lines = message
      .split('\n')
      .map((line, at) => ` ›   ${at === 0 ? 'Error: ' : ''}${line}\n`)
    write.err(lines.join(''))
    return error instanceof Refusal ? error.exitCode : 1
  }

  async function release(
    { app, types }: { app: string; types: string[] },
    environment: Environment,
  ): Promise<number> {
    const call = caller(environment, pause)
    const found = await call.api<{ stack?: { name: string }; build_stack?: { name: string } }>(
      `/apps/${app}`,
    )
    const stack = (found.build_stack ?? found.stack)?.name
    if (stack !== 'container')
      throw new Refusal(
        `This command is for Docker apps only. Switch stacks by running heroku stack:set container -a ${app}.`,
        1,
      )
    const updates: { type: string; docker_image: string }[] = []
    for (const type of types) updates.push({ type, docker_image: await call.image(app, type) })
    const before = await call.newest(app)
    write.err(`Releasing images ${types.join(',')} to ${app}... `)
    try {
      const accept = 'application/vnd.heroku+json; version=3.docker-releases'
      const body = JSON.stringify({ updates })
      await call.api(`/apps/${app}/formation`, { method: 'PATCH', headers: { accept }, body })
    } catch (error) {
      write.err('!\n')
      throw error
    }
    write.err('done\n')
    return follow(call, app, before)
  }

  async function follow(
    call: ReturnType<typeof caller>,
    app: string,
    before: Release | undefined,
  ): Promise<number> {
    const made = await call.newest(app)
    if (made === undefined || made.id === before?.id) return 0
    if (made.status === 'failed') throw new Refusal('Release failed', 1)
    if (made.status !== 'pending' || !made.output_stream_url) return 0
    write.out('Running release command...\n')
    for await (const text of call.stream(made.output_stream_url)) write.out(text)
    const ended = await call.api<Release>(`/apps/${app}/releases/${made.id}`)
    if (ended.status === 'failed') throw new Refusal('release command failed', 1)
    return 0
  }
}

function parse(args: readonly string[], env: Environment): { app: string; types: string[] } {
  let app = env['HEROKU_APP']
  const types: string[] = []
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!
    if (arg === '-a' || arg === '--app') app = args[++at]
    else if (arg.startsWith('--app=')) app = arg.slice('--app='.length)
    else if (arg === '-v' || arg === '--verbose') continue
    else if (arg.startsWith('-')) throw new Refusal(`Nonexistent flag: ${arg}\n${usage}`, 2)
    else types.push(arg)
  }
  if (!app) throw new Refusal('Missing required flag app\nSee more help with --help', 2)
  if (types.length === 0)
    throw new Refusal(
      `Requires one or more process types\n heroku container:release web -a ${app}`,
      1,
    )
  return { app: encodeURIComponent(app), types }
}

function caller(env: Environment, pause: (ms: number) => Promise<void>) {
  const host = env['HEROKU_HOST'] || 'heroku.com'
  const token = env['HEROKU_API_KEY'] ?? ''
  const isOrigin = /^https?:\/\//.test(host)
  const apiOrigin = isOrigin ? new URL(host).origin : `https://api.${host}`
  const registryOrigin = isOrigin ? new URL(host).origin : `https://registry.${host}`
  if (token === '')
    throw new Refusal('Invalid credentials provided: set HEROKU_API_KEY to an API token', 100)

  const api = async <T>(path: string, init: RequestInit = {}): Promise<T> => {
    const headers = {
      accept: 'application/vnd.heroku+json; version=3',
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'user-agent': 'heroku-cli/stand-in',
      ...(init.headers as Record<string, string>),
    }
    const response = await request(`${apiOrigin}${path}`, { ...init, headers }, pause)
    if (!response.ok) throw await refusalOf(response)
    return (await response.json()) as T
  }

  return {
    api,
    /** The configuration digest of the newest image that was pushed for this process type. */
    async image(app: string, type: string): Promise<string> {
      const url = `${registryOrigin}/v2/${app}/${encodeURIComponent(type)}/manifests/latest`
      const authorization = `Basic ${Buffer.from(`:${token}`).toString('base64')}`
      const response = await request(
        url,
        { headers: { accept: manifestType, authorization } },
        pause,
      )
      if (!response.ok)
        throw new Refusal(
          `No image of ${type} can be read from the registry (HTTP ${response.status}): push ${new URL(url).host}/${app}/${type} first`,
          1,
        )
      const manifest = (await response.json()) as { config?: { digest?: string } }
      if (!manifest.config?.digest)
        throw new Refusal(`The registry's manifest of ${app}/${type} names no image`, 1)
      return manifest.config.digest
    },
    async newest(app: string): Promise<Release | undefined> {
      const range = 'version ..; max=1, order=desc'
      return (await api<Release[]>(`/apps/${app}/releases`, { headers: { range } }))[0]
    },
    async *stream(url: string): AsyncIterable<string> {
      const response = await untilThere(url, pause)
      const decoder = new TextDecoder()
      for await (const chunk of response.body ?? []) yield decoder.decode(chunk, { stream: true })
    },
  }
}

/** A release's output may come a moment after the release: 404 is tried again for half a minute. */
async function untilThere(url: string, pause: (ms: number) => Promise<void>): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(url, { signal: AbortSignal.timeout(releaseTimeoutMs) })
    if (response.ok) return response
    if (response.status !== 404 || attempt >= 30)
      throw new Refusal(`The release's output can't be read (HTTP ${response.status})`, 1)
    await pause(1000)
  }
}

/** Connection errors are tried again five times. */
async function request(
  url: string,
  init: RequestInit,
  pause: (ms: number) => Promise<void>,
): Promise<Response> {
  for (let waitMs = 200; ; waitMs *= 2)
    try {
      return await fetch(url, { ...init, signal: AbortSignal.timeout(requestTimeoutMs) })
    } catch (error) {
      if (waitMs > 4000) {
        const { message, cause } = error as Error
        const why = cause instanceof Error ? cause.message : message
        throw new Refusal(`${new URL(url).host} can't be reached: ${why}`, 1)
      }
      await pause(waitMs)
    }
}

async function refusalOf(response: Response): Promise<Refusal> {
  const text = await response.text()
  let said: { id?: string; message?: string; url?: string; app?: { name?: string } } = {}
  try {
    said = JSON.parse(text)
  } catch {
    // Not Heroku's JSON: the status tells what there is to tell.
  }
  const lines = [said.message ?? `HTTP ${response.status} ${response.statusText}`]
  if (response.status === 401) lines.push('The token provided to HEROKU_API_KEY is invalid.')
  if (said.app?.name) lines.push(`App: ${said.app.name}`)
  if (said.id) lines.push('', `Error ID: ${said.id}`)
  if (said.url) lines.push('', `See ${said.url} for more information.`)
  return new Refusal(lines.join('\n'), response.status === 401 ? 100 : 2)
}

if (process.argv[1] === import.meta.filename)
  process.exitCode = await heroku(process.argv.slice(2), process.env, {
    out: text => process.stdout.write(text),
    err: text => process.stderr.write(text),
  })
