import type { Config } from './config.ts'

/** Names below the instance's host that are never an app's. */
const reservedLabels = ['api', 'registry', 'mirror', 'git', 'www', 'slipway']

/** Under which names Slipway answers, for people and inside jobs. */
export interface Addresses {
  /** For people: `http://localhost:10080`. */
  readonly url: string
  /** Inside jobs, by the gateway on their network. */
  readonly internalUrl: string
  readonly internalRegistry: string
  /** `127.0.0.1:10080`: where this machine's engine reaches us. The port is known once we listen. */
  local(): string
  setPort(port: number): void
  hostsOf(appName: string): string[]
  appUrl(appName: string): string
  /** Is this the name of an app, there or not? */
  isAppHost(host: string): boolean
}

export function addressesOf(config: Config): Addresses {
  let { port } = config.listen
  const url = () => new URL(config.url || `http://localhost:${port}`)
  return {
    get url() {
      return url().origin
    },
    internalUrl: 'http://slipway.internal',
    internalRegistry: 'registry.slipway.internal',
    local: () => `127.0.0.1:${port}`,
    setPort(actual) {
      port = actual
    },
    hostsOf: name => [`${name}.${url().hostname}`],
    appUrl: name => {
      const { protocol, host } = url()
      return `${protocol}//${name}.${host}`
    },
    isAppHost(host) {
      const suffix = `.${url().hostname}`
      if (!host.endsWith(suffix)) return false
      const label = host.slice(0, -suffix.length)
      return /^[a-z0-9-]+$/.test(label) && !reservedLabels.includes(label)
    },
  }
}
