import type { ContainerSpec, ContainerState, Labels } from '../index.ts'
import { instantOf } from './log-lines.ts'
import type { WireContainer } from './wire.ts'

/** What a container may write into the engine's log before the oldest of it goes, unless its spec says otherwise. */
const defaultLogMaxBytes = 64 * 1024 * 1024
const logFiles = 2

/** The body of `POST /containers/create`. */
export function createBody(spec: ContainerSpec): object {
  return {
    Image: spec.image,
    ...(spec.entrypoint === undefined ? {} : { Entrypoint: spec.entrypoint }),
    ...(spec.command === undefined ? {} : { Cmd: spec.command }),
    Env: envOf(spec.env),
    WorkingDir: spec.workingDir,
    Hostname: spec.hostname,
    User: spec.user,
    Labels: spec.labels,
    OpenStdin: spec.stdin ?? false,
    // the program sees the end of its input when the one who attached goes
    StdinOnce: spec.stdin ?? false,
    AttachStdin: spec.stdin ?? false,
    AttachStdout: true,
    AttachStderr: true,
    Tty: spec.tty ?? false,
    HostConfig: hostConfig(spec),
    NetworkingConfig: {
      EndpointsConfig:
        spec.network === undefined ? {} : { [spec.network]: { Aliases: spec.aliases ?? [] } },
    },
  }
}

function hostConfig(spec: ContainerSpec): object {
  const logBytes = Math.max(1, Math.floor((spec.logMaxBytes ?? defaultLogMaxBytes) / logFiles))
  return {
    NetworkMode: spec.network,
    Privileged: spec.privileged ?? false,
    Dns: spec.dns,
    ExtraHosts: spec.extraHosts,
    // mounts, unlike binds, refuse a host path that isn't there instead of making it
    Mounts: spec.mounts?.map(mount => ({
      Type: mount.type,
      Source: mount.source,
      Target: mount.target,
      ReadOnly: mount.readOnly ?? false,
    })),
    Tmpfs: spec.tmpfs,
    Sysctls: spec.sysctls,
    Memory: spec.memoryBytes,
    // the same figure means: no swap on top
    MemorySwap: spec.memoryBytes,
    NanoCpus: spec.cpus === undefined ? undefined : Math.round(spec.cpus * 1e9),
    PidsLimit: spec.pidsLimit,
    Init: spec.init ?? false,
    LogConfig: {
      Type: 'json-file',
      Config: { 'max-size': String(logBytes), 'max-file': String(logFiles) },
    },
  }
}

export function envOf(env: Readonly<Record<string, string>> | undefined): string[] {
  return Object.entries(env ?? {}).map(([name, value]) => `${name}=${value}`)
}

const statuses: Readonly<Record<string, ContainerState['status']>> = {
  created: 'created',
  running: 'running',
  paused: 'running',
  restarting: 'restarting',
  exited: 'exited',
  removing: 'dead',
  dead: 'dead',
}

export function stateOf(container: WireContainer): ContainerState {
  const status = statuses[container.State.Status] ?? 'dead'
  const ended = status === 'exited' || status === 'dead'
  const startedAt = instant(container.State.StartedAt)
  const finishedAt = instant(container.State.FinishedAt)
  const addresses = Object.entries(container.NetworkSettings.Networks ?? {}).filter(
    ([, network]) => network.IPAddress,
  )
  return {
    id: container.Id,
    name: container.Name.replace(/^\//, ''),
    image: container.Config.Image,
    labels: container.Config.Labels ?? {},
    status,
    ...(ended
      ? { exitCode: container.State.ExitCode, outOfMemory: container.State.OOMKilled }
      : {}),
    ...(startedAt > 0 ? { startedAt } : {}),
    // a program may end before the engine has noted that it began
    ...(ended && finishedAt > 0 ? { finishedAt: Math.max(finishedAt, startedAt) } : {}),
    addresses: Object.fromEntries(
      addresses.map(([name, network]) => [name, network.IPAddress ?? '']),
    ),
  }
}

/** The engine writes the year 1 for "never". */
function instant(stamp: string): number {
  return Math.max(0, Math.floor(instantOf(stamp)))
}

/** The `filters` parameter for everything with all of these labels. */
export function labelFilter(labels: Labels, more: Readonly<Record<string, string[]>> = {}): string {
  return JSON.stringify({
    ...more,
    label: Object.entries(labels).map(([name, value]) => `${name}=${value}`),
  })
}
