import type { ContainerSpec, Engine, ImageInfo, Labels } from '../engine/index.ts'
import { type Logger, messageOf } from '../lib/index.ts'
import { archiveOf, type Files } from './archive.ts'
import type { Platform, RunnerConfig } from './options.ts'
import { trustDirectory, trustEnvironment, trustFiles } from './trust.ts'
import { buildsDir } from './variables.ts'

/** Marks what belongs to jobs, next to `slipway.instance` and `slipway.job`. */
export const kindLabel = 'slipway.kind'

export interface SandboxOptions {
  readonly engine: Engine
  readonly instanceId: string
  readonly jobId: number
  /** Unique among all runs of all jobs of this instance. */
  readonly runId: string
  readonly helperImage: () => Promise<string>
  readonly platform: Platform
  readonly config: RunnerConfig
  readonly log: Logger
}

export interface ContainerRequest {
  /** Part of its name: `build`, `service-0`. */
  readonly role: string
  readonly image: ImageInfo
  readonly environment: Readonly<Record<string, string>>
  readonly entrypoint?: string[]
  readonly command?: string[]
  readonly aliases: string[]
  readonly hostname?: string
  readonly privileged: boolean
  readonly stdin?: boolean
  readonly tmpfs?: Readonly<Record<string, string>>
}

const helperLogBytes = 1024 * 1024

/**
 * Everything that one run of a job has on the engine: a network, a volume for its sources, the helper with the gateway, services and the
 * build container. All of it carries the run's labels; `close` removes whatever is there, also what was still being made.
 */
export class Sandbox {
  readonly network: Promise<string>
  readonly helper: Promise<string>
  readonly #options: SandboxOptions
  readonly #labels: Labels
  readonly #volume: Promise<string>
  readonly #pending = new Set<Promise<unknown>>()
  #closing = false

  /** Starts making the network, the volume and the helper at once. */
  constructor(options: SandboxOptions) {
    this.#options = options
    const { engine, instanceId, jobId, runId } = options
    this.#labels = {
      'slipway.instance': instanceId,
      'slipway.job': String(jobId),
      'slipway.run': runId,
      [kindLabel]: 'job',
    }
    this.network = this.#track(engine.createNetwork(this.name('network'), this.#labels))
    this.#volume = this.#track(this.#createVolume())
    this.helper = this.#track(this.#startHelper())
  }

  name(role: string): string {
    return `slipway-${this.#options.runId}-${role}`
  }

  /** The helper's address on the job's network. */
  async helperAddress(): Promise<string> {
    const state = await this.#options.engine.inspect(await this.helper)
    const addresses = state?.addresses ?? {}
    const address = addresses[this.name('network')] ?? Object.values(addresses)[0]
    if (!address) throw new Error("the helper has no address on the job's network")
    return address
  }

  /** Creates a container of the job, with the CA in it, and doesn't start it. */
  create(request: ContainerRequest, files: Files = {}): Promise<string> {
    return this.#track(this.#create(request, files))
  }

  start(id: string): Promise<void> {
    return this.#track(this.#options.engine.start(id))
  }

  /** Variables that every container of the job gets under those of the job. */
  trust(): Record<string, string> {
    return this.#options.platform.names.length > 0 ? trustEnvironment(trustDirectory) : {}
  }

  /** Removes containers, then network and volumes. Throws when something is left; it may be called again. */
  async close(): Promise<void> {
    this.#closing = true
    while (this.#pending.size > 0) await Promise.allSettled(this.#pending)
    await removeEverything(this.#options.engine, this.#labels, () => true)
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#pending.add(work)
    const settled = () => this.#pending.delete(work)
    work.then(settled, settled)
    return work
  }

  async #createVolume(): Promise<string> {
    const name = this.name('builds')
    await this.#options.engine.createVolume(name, this.#labels)
    return name
  }

  async #startHelper(): Promise<string> {
    const { engine, platform } = this.#options
    const [image, network, volume] = await Promise.all([
      this.#options.helperImage(),
      this.network,
      this.#volume,
    ])
    const id = await this.#createContainer({
      name: this.name('helper'),
      image,
      command: ['node', '/slipway/gateway.js', ...platform.names],
      labels: this.#labels,
      network,
      aliases: [...platform.names],
      mounts: [
        { type: 'volume', source: volume, target: buildsDir },
        { type: 'bind', source: platform.socketDirectory, target: '/run/slipway', readOnly: true },
      ],
      logMaxBytes: helperLogBytes,
    })
    await engine.start(id)
    return id
  }

  async #create(request: ContainerRequest, files: Files): Promise<string> {
    const { engine, platform, config } = this.#options
    const [network, volume] = await Promise.all([this.network, this.#volume])
    const { role, image, environment, ...rest } = request
    const id = await this.#createContainer({
      ...rest,
      name: this.name(role),
      image: image.id,
      env: { ...this.trust(), ...environment },
      labels: this.#labels,
      network,
      mounts: [{ type: 'volume', source: volume, target: buildsDir }],
      memoryBytes: config.memoryBytes,
      cpus: config.cpus,
      pidsLimit: config.pidsLimit,
      logMaxBytes: helperLogBytes,
    })
    const trusted = platform.names.length > 0 ? trustFiles(platform) : {}
    const all = { ...trusted, ...files }
    if (Object.keys(all).length > 0) await engine.putArchive(id, '/', await archiveOf(all))
    return id
  }

  async #createContainer(spec: ContainerSpec): Promise<string> {
    if (this.#closing) throw new Error('the job is being cleaned up')
    return this.#options.engine.create(spec)
  }
}

/** Removes all that carries the labels and that `mayRemove` agrees to; tries everything before it throws what failed. */
export async function removeEverything(
  engine: Engine,
  labels: Labels,
  mayRemove: (labels: Labels) => boolean,
): Promise<number> {
  const found = await engine.list(labels)
  const containers = found.containers.filter(one => mayRemove(one.labels))
  const networks = found.networks.filter(one => mayRemove(one.labels))
  const volumes = found.volumes.filter(one => mayRemove(one.labels))
  const first = await Promise.allSettled(containers.map(({ id }) => engine.remove(id)))
  const then = await Promise.allSettled([
    ...networks.map(({ id }) => engine.removeNetwork(id)),
    ...volumes.map(({ name }) => engine.removeVolume(name)),
  ])
  const failed = [...first, ...then].filter(result => result.status === 'rejected')
  if (failed.length > 0)
    throw new AggregateError(
      failed.map(result => result.reason),
      `could not remove ${failed.length} things of a job: ${messageOf(failed[0]?.reason)}`,
    )
  return containers.length + networks.length + volumes.length
}
