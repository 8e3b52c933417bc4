import { type Clock, Failure, systemClock } from '../../lib/index.ts'
import type {
  ContainerState,
  Engine,
  ExecHandle,
  ExecSpec,
  ExitStatus,
  ImageInfo,
  Labels,
  PullOptions,
} from '../index.ts'
import { createDockerClient, type DockerClient } from './client.ts'
import type { Connection } from './connection.ts'
import { createBody, envOf, labelFilter, stateOf } from './containers.ts'
import { watchEvents } from './events.ts'
import { jsonLines } from './frames.ts'
import { followProgress, imageMissing, imageOf, registryAuth, splitReference } from './images.ts'
import { at, inspect, noContainer, orUndefined } from './inspect.ts'
import { readLogs } from './logs.ts'
import { attachmentOf } from './streams.ts'
import type { WireImage, WireInfo, WireNetwork, WireProgress, WireVolume } from './wire.ts'

export { type Connection, connectionFrom } from './connection.ts'

/** The engine port over the Docker Engine API, 1.41 (Docker 20.10) and newer. Connects at the first call. */
export function createDockerEngine(connection: Connection, clock: Clock = systemClock): Engine {
  const client = createDockerClient(connection)
  return {
    ...imageCalls(client, clock),
    ...networkAndVolumeCalls(client),
    ...containerCalls(client, clock),
    ...streamCalls(client, clock),
    async info(signal) {
      const info = await client.json<WireInfo>({ path: '/info', signal })
      return {
        name: info.Name,
        version: info.ServerVersion,
        apiVersion: await client.apiVersion(),
        operatingSystem: info.OperatingSystem,
        cpus: info.NCPU,
        memoryBytes: info.MemTotal,
        containersRunning: info.ContainersRunning,
      }
    },
    list: labels => list(client, labels),
    events: (labels, signal) => watchEvents(client, labels, signal, clock),
    close: () => client.close(),
  }
}

function imageCalls(client: DockerClient, clock: Clock) {
  async function inspectImage(reference: string): Promise<ImageInfo | undefined> {
    const path = `/images/${encodeURIComponent(reference)}/json`
    const image = await orUndefined(client.json<WireImage>({ path }))
    return image === undefined ? undefined : imageOf(image)
  }
  async function present(reference: string): Promise<ImageInfo> {
    const image = await inspectImage(reference)
    if (image === undefined) throw imageMissing(reference)
    return image
  }
  return {
    inspectImage,
    async pull(reference: string, options: PullOptions = {}) {
      const { name, tag } = splitReference(reference)
      const lines = await client.stream({
        method: 'POST',
        path: '/images/create',
        query: { fromImage: name, tag, platform: options.platform },
        headers:
          options.auth === undefined
            ? {}
            : { 'x-registry-auth': registryAuth(options.auth, reference) },
        signal: options.signal,
        answerMs: 0,
      })
      await followProgress(jsonLines<WireProgress>(lines), clock, options.onProgress)
      return present(reference)
    },
    async importImage(tar: AsyncIterable<Uint8Array>, reference: string, changes: string[] = []) {
      const lines = await client.stream({
        method: 'POST',
        path: '/images/create',
        query: { fromSrc: '-', repo: reference, changes },
        body: tar,
        answerMs: 0,
      })
      await followProgress(jsonLines<WireProgress>(lines), clock)
      return present(reference)
    },
    async removeImage(reference: string) {
      const path = `/images/${encodeURIComponent(reference)}`
      await orUndefined(client.json({ method: 'DELETE', path, query: { force: true } }))
    },
  }
}

function networkAndVolumeCalls(client: DockerClient) {
  return {
    async createNetwork(name: string, labels: Labels) {
      const json = { Name: name, CheckDuplicate: true, Driver: 'bridge', Labels: labels }
      const made = await client.json<{ Id: string }>({
        method: 'POST',
        path: '/networks/create',
        json,
      })
      return made.Id
    },
    async removeNetwork(idOrName: string) {
      const path = `/networks/${encodeURIComponent(idOrName)}`
      await orUndefined(client.json({ method: 'DELETE', path }))
    },
    async createVolume(name: string, labels: Labels) {
      const json = { Name: name, Driver: 'local', Labels: labels }
      await client.json({ method: 'POST', path: '/volumes/create', json })
    },
    async removeVolume(name: string) {
      const path = `/volumes/${encodeURIComponent(name)}`
      await orUndefined(client.json({ method: 'DELETE', path }))
    },
  }
}

function containerCalls(client: DockerClient, clock: Clock) {
  return {
    async create(spec: Parameters<Engine['create']>[0]) {
      const made = await client.json<{ Id: string }>({
        method: 'POST',
        path: '/containers/create',
        query: { name: spec.name },
        json: createBody(spec),
      })
      return made.Id
    },
    async start(id: string) {
      await client.json({ method: 'POST', path: `${at(id)}/start` })
    },
    wait: (id: string, signal?: AbortSignal) => wait(client, clock, id, signal),
    async stop(id: string, graceMs: number) {
      const seconds = Math.ceil(graceMs / 1000)
      await orUndefined(
        client.json({
          method: 'POST',
          path: `${at(id)}/stop`,
          query: { t: seconds },
          answerMs: graceMs + 60_000,
        }),
      )
    },
    async kill(id: string, signal: string) {
      const query = { signal }
      await orUndefined(client.json({ method: 'POST', path: `${at(id)}/kill`, query }), 'conflict')
    },
    remove: (id: string) => remove(client, id),
    async inspect(id: string) {
      const container = await inspect(client, id)
      return container === undefined ? undefined : stateOf(container)
    },
    async putArchive(id: string, path: string, tar: AsyncIterable<Uint8Array> | Uint8Array) {
      const query = { path }
      await client.json({
        method: 'PUT',
        path: `${at(id)}/archive`,
        query,
        body: tar,
        answerMs: 0,
      })
    },
    getArchive: (id: string, path: string) =>
      client.stream({ path: `${at(id)}/archive`, query: { path } }),
  }
}

function streamCalls(client: DockerClient, clock: Clock) {
  return {
    async attach(id: string) {
      const container = await inspect(client, id)
      if (container === undefined) throw noContainer(id)
      const hijacked = await client.hijack({
        path: `${at(id)}/attach`,
        query: { stream: true, stdin: true, stdout: true, stderr: true },
      })
      return attachmentOf(hijacked, container.Config.Tty)
    },
    exec: (id: string, spec: ExecSpec) => exec(client, id, spec),
    logs: (id: string, options: Parameters<Engine['logs']>[1]) =>
      readLogs(client, clock, id, options),
  }
}

async function exec(client: DockerClient, id: string, spec: ExecSpec): Promise<ExecHandle> {
  const tty = spec.tty ?? false
  const made = await client.json<{ Id: string }>({
    method: 'POST',
    path: `${at(id)}/exec`,
    json: {
      AttachStdin: spec.stdin ?? false,
      AttachStdout: true,
      AttachStderr: true,
      Tty: tty,
      Cmd: spec.command,
      Env: envOf(spec.env),
      WorkingDir: spec.workingDir,
      User: spec.user,
      Privileged: spec.privileged ?? false,
    },
  })
  const path = `/exec/${made.Id}`
  const hijacked = await client.hijack({ path: `${path}/start`, json: { Detach: false, Tty: tty } })
  const { ended, ...attachment } = attachmentOf(hijacked, tty)
  return {
    ...attachment,
    async exitCode() {
      await ended()
      for (;;) {
        // the stream ends a moment before the engine has noted the exit code
        const state = await client.json<{ Running: boolean; ExitCode: number | null }>({
          path: `${path}/json`,
        })
        if (!state.Running && state.ExitCode !== null) return state.ExitCode
        await systemClock.sleep(10)
      }
    },
  }
}

async function wait(
  client: DockerClient,
  clock: Clock,
  id: string,
  signal?: AbortSignal,
): Promise<ExitStatus> {
  for (let attempt = 0; ; attempt++) {
    try {
      const ended = await client.json<{ StatusCode: number }>({
        method: 'POST',
        path: `${at(id)}/wait`,
        query: { condition: 'not-running' },
        signal,
        answerMs: 0,
      })
      const container = await inspect(client, id)
      return {
        exitCode: ended.StatusCode,
        outOfMemory: container?.State.OOMKilled ?? false,
      }
    } catch (error) {
      // the engine may be restarted below running containers
      const mayRetry = error instanceof Failure && error.code === 'unavailable' && attempt < 20
      if (signal?.aborted || !mayRetry) throw error
      await clock.sleep(500, signal)
    }
  }
}

async function remove(client: DockerClient, id: string): Promise<void> {
  try {
    const query = { force: true, v: true }
    await orUndefined(client.json({ method: 'DELETE', path: at(id), query }))
  } catch (error) {
    if (!(error instanceof Failure && error.code === 'conflict')) throw error
    // someone else is removing it: done when they are
    const query = { condition: 'removed' }
    await orUndefined(client.json({ method: 'POST', path: `${at(id)}/wait`, query }))
  }
}

async function list(client: DockerClient, labels: Labels) {
  const query = { filters: labelFilter(labels) }
  const [containers, networks, volumes] = await Promise.all([
    client.json<{ Id: string }[]>({ path: '/containers/json', query: { ...query, all: true } }),
    client.json<WireNetwork[]>({ path: '/networks', query }),
    client.json<{ Volumes: WireVolume[] | null }>({ path: '/volumes', query }),
  ])
  // the short form lacks exit codes and times; the pool bounds how many run at once
  const inspected = await Promise.all(containers.map(one => inspect(client, one.Id)))
  return {
    containers: inspected.filter(one => one !== undefined).map(stateOf) satisfies ContainerState[],
    networks: networks.map(one => ({ id: one.Id, name: one.Name, labels: one.Labels ?? {} })),
    volumes: (volumes.Volumes ?? []).map(one => ({ name: one.Name, labels: one.Labels ?? {} })),
  }
}
