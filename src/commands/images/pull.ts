import type { Engine, ImageInfo, PullOptions } from '../../engine/index.ts'

/** A reference with everything that Docker leaves out: `busybox` → `docker.io/library/busybox:latest`. */
export function fullReference(name: string): { host: string; repository: string; suffix: string } {
  const slash = name.indexOf('/')
  const first = slash < 0 ? '' : name.slice(0, slash)
  const hasHost = first.includes('.') || first.includes(':') || first === 'localhost'
  const host = hasHost ? first : 'docker.io'
  const rest = hasHost ? name.slice(slash + 1) : name
  const match = /^(.*?)(@.+|:[^/:@]+(?:@.+)?)?$/.exec(rest)
  const repository = match?.[1] ?? rest
  const isOfficial = host === 'docker.io' && !repository.includes('/')
  return {
    host: host === 'index.docker.io' ? 'docker.io' : host,
    repository: isOfficial ? `library/${repository}` : repository,
    suffix: match?.[2] ?? ':latest',
  }
}

/**
 * How this machine's engine gets an image: what Slipway itself holds comes from Slipway over loopback (the engine's configuration needs no change),
 * the rest from where its name says.
 */
export function imagePuller(options: {
  engine: Engine
  /** `127.0.0.1:10080` */
  address: () => string
  mirrorsDockerHub: boolean
  /** Hosts under which our own registry is known in pipelines. */
  ownHosts: readonly string[]
}) {
  return (name: string, pull: PullOptions): Promise<ImageInfo> => {
    const { host, repository, suffix } = fullReference(name)
    if (options.ownHosts.includes(host))
      return options.engine.pull(`${options.address()}/${repository}${suffix}`, pull)
    if (host === 'registry.heroku.com')
      return options.engine.pull(`${options.address()}/heroku/${repository}${suffix}`, pull)
    if (host === 'docker.io' && options.mirrorsDockerHub)
      return options.engine.pull(`${options.address()}/docker.io/${repository}${suffix}`, pull)
    return options.engine.pull(`${host}/${repository}${suffix}`, pull)
  }
}
