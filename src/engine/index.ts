/**
 * Containers: the port, and its adapters `docker/` (Docker Engine API) and `memory/` (for unit tests, can be told to fail).
 *
 * Order of calls for one container: `create` → (`putArchive`)* → `start` → `wait`/`exec`/`logs` → `stop` → `remove`.
 * Calls on different containers may run side by side. `stop`, `remove*` and `kill` are idempotent: what isn't there is done.
 * Whatever a caller makes carries its labels, so that `list` finds it again after a crash.
 * Errors, each with the engine's own message: `Failure('not_found')` for a missing image, container or network, `'conflict'` for a name that is taken or a state that
 * doesn't allow it, `'unavailable'` when the engine or a registry can't be reached, `'unauthorized'` and `'forbidden'` for what a registry refuses, `'invalid'` for
 * what the engine refuses (a program that isn't in the image shows at `start`), `'internal'` for anything else that it reports.
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
  /** Resolves when the container has ended; at once for one that was never started. Outlasts a restart of the engine of up to ten seconds. */
  wait(id: string, signal?: AbortSignal): Promise<ExitStatus>
  /** SIGTERM (or `signal`), then SIGKILL after `graceMs`. */
  stop(id: string, graceMs: number): Promise<void>
  kill(id: string, signal: string): Promise<void>
  /** Ends and removes it with its anonymous volumes. */
  remove(id: string): Promise<void>
  inspect(id: string): Promise<ContainerState | undefined>
  /**
   * Output since `since` (ms since the epoch, exclusive), or the last `tail` lines; ends with the container or the signal when `follow`. A chunk's `at`, given as
   * `since`, continues right behind it.
   */
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
  /** Container ends and starts with all of these labels, from now on, until the signal aborts. Begins with `{ type: 'resync' }` once connected; reconnects by itself, which yields it again: then look by `list` what was missed. */
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
  /** No swap on top. */
  memoryBytes?: number
  /** May be a fraction. */
  cpus?: number
  pidsLimit?: number
  /** Run the engine's init as process 1. */
  init?: boolean
  /** Bound of the engine's own log of this container; the oldest goes first. Default: 64 MiB. */
  logMaxBytes?: number
}

export interface OutputChunk {
  stream: 'stdout' | 'stderr'
  bytes: Uint8Array
  /** When it was printed, ms since the epoch with a fraction as fine as the engine's; only from `logs`. */
  at?: number
}

/** Read `output`, once, or the program stops when its pipe is full. */
export interface Attachment {
  /** Throws `Failure('conflict')` when the program no longer reads. */
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
  /** Resolves when the program has ended; reads output that nobody else reads. */
  exitCode(): Promise<number>
}

export interface ExitStatus {
  exitCode: number
  outOfMemory: boolean
}

export interface ContainerState {
  id: string
  name: string
  /** As the spec named it. */
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
