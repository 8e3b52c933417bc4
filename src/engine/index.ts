/**
 * Containers: the port, and its adapters `docker/` (Docker Engine API) and `memory/` (for unit tests, can be told to fail).
 *
 * Order of calls for one container: `create` → (`putArchive`)* → `start` → `wait`/`exec`/`logs` → `stop` → `remove`.
 * Calls on different containers may run side by side. `stop`, `remove*` and `kill` are idempotent: what isn't there is done.
 * Whatever a caller makes carries its labels, so that `list` finds it again after a crash.
 * Errors: `Failure('not_found')` for a missing image or container, `Failure('unavailable')` when the engine can't be reached, `Failure('invalid')` for
 * what it refuses, each with the engine's own message.
 */
export interface Engine {
  /** Also the health check. */
  info(signal?: AbortSignal): Promise<EngineInfo>

  /** Pulls and returns the image's id. `reference` has a tag or digest (`docker.io/library/busybox:latest`). */
  pull(reference: string, options?: PullOptions): Promise<ImageInfo>
  inspectImage(reference: string): Promise<ImageInfo | undefined>
  /** Makes an image of one layer from a root file system as tar, as `docker import` does. `changes` are Dockerfile instructions. */
  importImage(
    tar: AsyncIterable<Uint8Array>,
    reference: string,
    changes?: string[],
  ): Promise<ImageInfo>
  removeImage(reference: string): Promise<void>

  createNetwork(name: string, labels: Labels): Promise<string>
  removeNetwork(idOrName: string): Promise<void>
  createVolume(name: string, labels: Labels): Promise<void>
  removeVolume(name: string): Promise<void>

  create(spec: ContainerSpec): Promise<string>
  /** Unpacks a tar below `path` of a created or running container. */
  putArchive(id: string, path: string, tar: AsyncIterable<Uint8Array> | Uint8Array): Promise<void>
  /** A tar of `path`. */
  getArchive(id: string, path: string): Promise<AsyncIterable<Uint8Array>>
  start(id: string): Promise<void>
  /** Standard input of a container made with `stdin: true`; call before `start`. Output comes by `logs` or this stream's `output`. */
  attach(id: string): Promise<Attachment>
  /** Runs a program in a running container. */
  exec(id: string, spec: ExecSpec): Promise<ExecHandle>
  /** Resolves when the container has ended. */
  wait(id: string, signal?: AbortSignal): Promise<ExitStatus>
  /** SIGTERM (or `signal`), then SIGKILL after `graceMs`. */
  stop(id: string, graceMs: number): Promise<void>
  kill(id: string, signal: string): Promise<void>
  /** Ends and removes it with its anonymous volumes. */
  remove(id: string): Promise<void>
  inspect(id: string): Promise<ContainerState | undefined>
  /** Output since `since` (ms since the epoch, exclusive); ends with the container or the signal when `follow`. */
  logs(
    id: string,
    options: { follow: boolean; since?: number; tail?: number; signal?: AbortSignal },
  ): AsyncIterable<OutputChunk>
  /** Everything with all of these labels. */
  list(labels: Labels): Promise<{
    containers: ContainerState[]
    networks: { id: string; name: string; labels: Labels }[]
    volumes: { name: string; labels: Labels }[]
  }>
  /** Container ends and starts with all of these labels, from now on, until the signal aborts. Reconnects by itself; a reconnect yields `{ type: 'resync' }`. */
  events(labels: Labels, signal: AbortSignal): AsyncIterable<EngineEvent>
  close(): Promise<void>
}

export type Labels = Readonly<Record<string, string>>

export interface EngineInfo {
  name: string
  version: string
  apiVersion: string
  operatingSystem: string
  cpus: number
  memoryBytes: number
  containersRunning: number
}

export interface PullOptions {
  auth?: { username: string; password: string }
  platform?: string
  signal?: AbortSignal
  /** Called at most a few times a second. */
  onProgress?: (progress: PullProgress) => void
}

export interface PullProgress {
  layers: number
  layersDone: number
  bytes: number
  bytesTotal: number
  /** The engine's latest line, such as `Pulling fs layer`. */
  text: string
}

export interface ImageInfo {
  /** `sha256:…` of the image configuration. */
  id: string
  digests: string[]
  sizeBytes: number
  entrypoint: string[]
  command: string[]
  env: string[]
  user: string
  workingDir: string
  /** `2375/tcp` … */
  exposedPorts: string[]
}

export interface ContainerSpec {
  name: string
  /** Image id or reference; it must be there already. */
  image: string
  entrypoint?: string[]
  command?: string[]
  env?: Readonly<Record<string, string>>
  workingDir?: string
  hostname?: string
  user?: string
  labels: Labels
  stdin?: boolean
  tty?: boolean
  privileged?: boolean
  network?: string
  aliases?: string[]
  dns?: string[]
  extraHosts?: string[]
  /** Named volumes or host paths. */
  mounts?: { source: string; target: string; readOnly?: boolean; type: 'volume' | 'bind' }[]
  /** Path → mount options. */
  tmpfs?: Readonly<Record<string, string>>
  sysctls?: Readonly<Record<string, string>>
  memoryBytes?: number
  cpus?: number
  pidsLimit?: number
  /** Run the engine's init as process 1. */
  init?: boolean
  /** Bound of the engine's own log of this container. */
  logMaxBytes?: number
}

export interface OutputChunk {
  stream: 'stdout' | 'stderr'
  bytes: Uint8Array
  /** When it was printed, ms since the epoch; only from `logs`. */
  at?: number
}

export interface Attachment {
  write(bytes: Uint8Array): Promise<void>
  /** Closes standard input. */
  end(): void
  output: AsyncIterable<OutputChunk>
}

export interface ExecSpec {
  command: string[]
  env?: Readonly<Record<string, string>>
  workingDir?: string
  user?: string
  stdin?: boolean
  tty?: boolean
  privileged?: boolean
}

export interface ExecHandle extends Attachment {
  exitCode(): Promise<number>
}

export interface ExitStatus {
  exitCode: number
  outOfMemory: boolean
}

export interface ContainerState {
  id: string
  name: string
  image: string
  labels: Labels
  status: 'created' | 'running' | 'exited' | 'restarting' | 'dead'
  exitCode?: number
  outOfMemory?: boolean
  startedAt?: number
  finishedAt?: number
  /** Address by network name. On one machine the host reaches these directly. */
  addresses: Readonly<Record<string, string>>
}

export interface EngineEvent {
  type: 'start' | 'die' | 'oom' | 'resync'
  id?: string
  labels?: Labels
  exitCode?: number
  at: number
}
