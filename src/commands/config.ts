import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { Failure, messageOf, Secret, suggest } from '../lib/index.ts'

/**
 * Everything that can be set, once. Flags, environment variables, the configuration file, its commented example, `--help` and the
 * documentation all come from this table. Precedence: flag, environment, file, default.
 */
interface Setting<T> {
  /** `SLIPWAY_` + upper case in the environment, `--kebab-case` as a flag, camelCase in the file. */
  key: string
  help: string
  /** As it stands in the example file. */
  example: string
  secret?: boolean
  parse(text: string): T
  fallback: T
}

const text = (value: string) => value
const settings = {
  data: setting(
    'data',
    'Folder that holds everything Slipway keeps.',
    '/var/lib/slipway',
    text,
    './data',
  ),
  listen: setting('listen', 'Address and port to listen on.', '127.0.0.1:10080', parseListen, {
    host: '127.0.0.1',
    port: 10080,
  }),
  url: setting(
    'url',
    'Address under which people reach this instance. Apps get their names below its host. Default: http://localhost:PORT.',
    'https://slipway.example.com',
    parseUrl,
    '',
  ),
  rootPassword: secretSetting(
    'rootPassword',
    'Password of the user root on first start. Default: a random one, written to DATA/root-password.',
  ),
  rootToken: secretSetting(
    'rootToken',
    'API token of the user root, made on first start; good for the APIs, git and the registry (20 characters or more).',
    parseToken,
  ),
  logLevel: setting(
    'logLevel',
    'debug, info, warn, error or silent.',
    'info',
    oneOf('debug', 'info', 'warn', 'error', 'silent'),
    'info',
  ),
  dockerHost: setting(
    'dockerHost',
    'Docker Engine: unix:///path or tcp://host:port. Default: DOCKER_HOST, else /var/run/docker.sock.',
    'unix:///var/run/docker.sock',
    text,
    '',
  ),
  runnerConcurrency: setting(
    'runnerConcurrency',
    'Jobs that run at the same time. 0: this process runs none.',
    '4',
    parseCount,
    4,
  ),
  runnerPrivileged: setting(
    'runnerPrivileged',
    'Which service images may run privileged (Docker-in-Docker): a comma-separated list of image patterns, or none.',
    'docker:*dind*',
    parseList,
    ['docker:*dind*'],
  ),
  intercept: setting(
    'intercept',
    'Which platforms Slipway answers for inside jobs: heroku, dockerhub, both, or none.',
    'heroku,dockerhub',
    parseIntercept,
    ['heroku', 'dockerhub'],
  ),
  mirrorUpstream: setting(
    'mirrorUpstream',
    'Where the Docker Hub mirror gets what it does not have: a registry address, or none.',
    'https://registry-1.docker.io',
    text,
    'https://registry-1.docker.io',
  ),
  bootTimeout: setting(
    'bootTimeout',
    'Seconds that an app may take until it listens on $PORT.',
    '60',
    parseCount,
    60,
  ),
} satisfies Record<string, Setting<unknown>>

type Settings = typeof settings
export type Config = { readonly [K in keyof Settings]: Settings[K]['fallback'] }

function setting<T>(
  key: string,
  help: string,
  example: string,
  parse: (value: string) => T,
  fallback: T,
): Setting<T> {
  return { key, help, example, parse, fallback }
}

function secretSetting(key: string, help: string, check = text): Setting<Secret | undefined> {
  return {
    key,
    help,
    example: '…',
    secret: true,
    parse: value => new Secret(check(value)),
    fallback: undefined,
  }
}

function parseListen(value: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-f:]+)\]|([^:]*)):(\d{1,5})$/i.exec(value)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) throw new Error('must be HOST:PORT, such as 127.0.0.1:10080')
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port }
}

function parseUrl(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new Error('must be an address such as https://slipway.example.com')
  if (url.pathname !== '/' || url.search !== '')
    throw new Error('must have no path: Slipway answers at the root of its host')
  return url.origin
}

function parseToken(value: string): string {
  if (!/^[\w.-]{20,200}$/.test(value))
    throw new Error('must be 20 to 200 letters, digits, dots, dashes or underscores')
  return value
}

function parseCount(value: string): number {
  if (!/^\d{1,6}$/.test(value)) throw new Error('must be a whole number')
  return Number(value)
}

function parseList(value: string): string[] {
  return value === 'none'
    ? []
    : value
        .split(',')
        .map(one => one.trim())
        .filter(one => one !== '')
}

function parseIntercept(value: string): string[] {
  const names = parseList(value === 'both' ? 'heroku,dockerhub' : value)
  const unknown = names.find(name => name !== 'heroku' && name !== 'dockerhub')
  if (unknown !== undefined) throw new Error(`knows heroku and dockerhub, not ${unknown}`)
  return names
}

function oneOf<T extends string>(...allowed: T[]): (value: string) => T {
  return value => {
    const found = allowed.find(one => one === value)
    if (found === undefined) throw new Error(`must be one of ${allowed.join(', ')}`)
    return found
  }
}

/** `rootPassword` → `SLIPWAY_ROOT_PASSWORD`. */
export function environmentName(key: string): string {
  return `SLIPWAY_${key.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase()}`
}

/** `rootPassword` → `--root-password`. */
export function flagName(key: string): string {
  return `--${key.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`
}

/** For `--help` and the command line: secrets have no flag, since process arguments are public. */
export function flags(): { flag: string; help: string }[] {
  return Object.values(settings)
    .filter(one => !('secret' in one && one.secret))
    .map(one => ({ flag: `${flagName(one.key)} <value>`, help: one.help }))
}

/** The commented example file. */
export function exampleFile(): string {
  const head =
    '# Slipway configuration. Every setting with its meaning; what is commented out shows an example.\n# The environment (SLIPWAY_…) and flags win over this file.\n'
  return (
    head +
    Object.values(settings)
      .map(
        one =>
          `\n# ${one.help}\n# Environment: ${environmentName(one.key)}\n#${one.key}: ${JSON.stringify(one.example)}\n`,
      )
      .join('')
  )
}

export interface ConfigSources {
  /** From the command line, by key. */
  flags: Readonly<Record<string, string | undefined>>
  env: Readonly<Record<string, string | undefined>>
  /** A file to read; missing is an error only when it was asked for. */
  file?: string
}

/** Reads and checks all sources. Throws one `Failure('invalid')` that lists everything that is wrong. */
export function loadConfig(sources: ConfigSources): Config {
  const problems: string[] = []
  const file = sources.file === undefined ? {} : readConfigFile(sources.file, problems)
  const variables = Object.values(settings).map(one => environmentName(one.key))
  for (const name of Object.keys(sources.env)) {
    if (name.startsWith('SLIPWAY_') && !variables.includes(name))
      problems.push(unknown('environment variable', name, variables))
  }
  const result: Record<string, unknown> = {}
  for (const [key, one] of Object.entries<Setting<unknown>>(settings)) {
    const found: [string, string | undefined] | undefined = [
      [flagName(key), sources.flags[key]] as [string, string | undefined],
      [environmentName(key), sources.env[environmentName(key)]] as [string, string | undefined],
      [`${sources.file}: ${key}`, file[key]] as [string, string | undefined],
    ].find(([, value]) => value !== undefined && value !== '')
    result[key] =
      found === undefined ? one.fallback : parseOrReport(one, found[0], found[1]!, problems)
  }
  if (problems.length > 0)
    throw new Failure('invalid', problems.join('\n'), {
      hint: 'slipway serve --help lists every setting',
    })
  return result as Config
}

function parseOrReport(
  one: Setting<unknown>,
  where: string,
  value: string,
  problems: string[],
): unknown {
  try {
    return one.parse(value)
  } catch (error) {
    problems.push(
      `${where} ${messageOf(error)}${one.secret ? '' : `; it is ${JSON.stringify(value)}`}`,
    )
    return one.fallback
  }
}

function readConfigFile(file: string, problems: string[]): Record<string, string> {
  const values: Record<string, string> = {}
  try {
    const content: unknown = parse(readFileSync(file, 'utf8')) ?? {}
    if (typeof content !== 'object' || Array.isArray(content))
      throw new Error('must hold "key: value" lines')
    for (const [key, value] of Object.entries(content as object)) {
      if (Object.hasOwn(settings, key))
        values[key] = Array.isArray(value) ? value.join(',') : String(value)
      else problems.push(unknown('setting', `${file}: ${key}`, Object.keys(settings), key))
    }
  } catch (error) {
    problems.push(`${file}: ${messageOf(error)}`)
  }
  return values
}

function unknown(kind: string, shown: string, known: string[], word = shown): string {
  const meant = suggest(word, known)
  return `unknown ${kind} ${shown}${meant === undefined ? '' : `: did you mean ${meant}?`}`
}
