import type { Engine, ImageInfo, PullOptions } from '../engine/index.ts'
import type { Clock, Logger, Random, Secret } from '../lib/index.ts'
import type { Coordinator } from '../protocol/index.ts'

/** What the runner needs from the outside. */
export interface RunnerOptions {
  readonly coordinator: Coordinator
  /** The runner's authentication token (`glrt-…`). */
  readonly token: Secret
  /** `s_` or `r_` and 12 letters: tells runners with one token apart. */
  readonly systemId: string
  readonly engine: Engine
  /** On every container, network and volume, so that two Slipways on one engine never touch each other's. */
  readonly instanceId: string
  /** Reference of the helper image, made when it is first needed. */
  readonly helperImage: () => Promise<string>
  /** Brings an image onto the engine. A mirror may stand behind it; the result's id is what containers are made of. */
  readonly pullImage: (reference: string, options: PullOptions) => Promise<ImageInfo>
  readonly platform: Platform
  readonly config?: Partial<RunnerConfig>
  readonly version: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** How jobs reach Slipway. */
export interface Platform {
  /** Names that Slipway answers for inside jobs: `slipway.internal`, `registry.slipway.internal`, and those of Heroku and Docker Hub when it stands in for them. */
  readonly names: readonly string[]
  /** Directory of this machine with Slipway's sockets `http.sock` and `https.sock`. */
  readonly socketDirectory: string
  /** Where jobs fetch sources, `http://slipway.internal`; it takes the place of the origin in `git_info.repo_url`. */
  readonly url: string
  /** Slipway's addresses for people, so that submodules that name one are found too: `http://localhost:10080`. */
  readonly publicUrls: readonly string[]
  /** Certificate authority of the names, and its name hash as OpenSSL wants files in a directory to be called (`1a2b3c4d`). */
  readonly caCertificatePem: string
  readonly caSubjectHash: string
}

export interface RunnerConfig {
  /** In the log's first lines. */
  readonly name: string
  /** Jobs at a time. */
  readonly concurrency: number
  /** For jobs that name none. */
  readonly image: string
  /** Which service images run with `--privileged`: short names, `*` is any text. An image that may is root on this machine. */
  readonly privilegedServices: readonly string[]
  /** The same for build containers. */
  readonly privilegedImages: readonly string[]
  /** Tried in order, for jobs that don't say. */
  readonly pullPolicies: readonly PullPolicy[]
  /** Where an inner Docker Engine keeps its images: memory (fast, gone with the job) or disk. */
  readonly innerEngineStorage: 'memory' | 'disk'
  /** Of each container of a job. */
  readonly memoryBytes?: number
  readonly cpus?: number
  readonly pidsLimit: number
  readonly logLimitBytes: number
  readonly serviceWaitMs: number
  /** Between SIGTERM and SIGKILL. */
  readonly stopGraceMs: number
}

export type PullPolicy = 'always' | 'if-not-present' | 'never'

export const defaultConfig: RunnerConfig = {
  name: 'slipway',
  concurrency: 4,
  image: 'busybox:latest',
  privilegedServices: ['docker:*'],
  privilegedImages: [],
  pullPolicies: ['always'],
  innerEngineStorage: 'memory',
  pidsLimit: 8192,
  logLimitBytes: 4 * 1024 * 1024,
  serviceWaitMs: 30_000,
  stopGraceMs: 3_000,
}
