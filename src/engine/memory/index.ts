/**
 * Containers without an engine, for unit tests: an image stands for a function (`Program`) that prints, sleeps, listens on a loopback address and exits.
 * It keeps the port's contract (test/contract/engine.ts runs against it) and can be told to fail.
 */
import {
  type Clock,
  Failure,
  Gate,
  type Random,
  systemClock,
  systemRandom,
  uuid,
} from '../../lib/index.ts'
import type { Engine, EngineEvent, ImageInfo, Labels } from '../index.ts'
import { containerCalls } from './containers.ts'
import { findLocal, fullReference, importedImage, memoryImage, memoryImages } from './images.ts'
import type { Program } from './process.ts'
import type { MemoryState } from './state.ts'

export type { MemoryProcess, Program } from './process.ts'
export { exits, hangs, steps, web } from './programs.ts'

export interface MemoryEngine extends Engine {
  /** Makes an image that `pull` finds; its containers run `program`. */
  addImage(reference: string, program: Program, info?: Partial<ImageInfo>): ImageInfo
  /** From now on, pulling this reference fails so. */
  failPull(reference: string, failure: Failure): void
  /** The next call of this method fails so. */
  failNext(method: keyof Engine, failure: Failure): void
  /** As if the engine were restarted below its containers: event streams break and begin anew. */
  restart(): void
}

export function createMemoryEngine(options: { clock?: Clock; random?: Random } = {}): MemoryEngine {
  const events = eventHub()
  const state: MemoryState = {
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    images: memoryImages(),
    containers: new Map(),
    networks: new Map(),
    volumes: new Map(),
    tell: events.tell,
  }
  const failures = new Map<string, Failure[]>()
  const engine: Engine = {
    async info() {
      return {
        name: 'memory',
        version: '1',
        apiVersion: '1',
        operatingSystem: 'none',
        cpus: 1,
        memoryBytes: 2 ** 30,
        containersRunning: [...state.containers.values()].filter(one => one.isRunning).length,
      }
    },
    ...imageCalls(state),
    ...networkAndVolumeCalls(state),
    ...containerCalls(state),
    async list(labels) {
      return {
        containers: [...state.containers.values()]
          .map(one => one.state())
          .filter(one => hasLabels(one.labels, labels)),
        networks: [...state.networks]
          .map(([id, network]) => ({ id, ...network }))
          .filter(one => hasLabels(one.labels, labels)),
        volumes: [...state.volumes]
          .map(([name, own]) => ({ name, labels: own }))
          .filter(one => hasLabels(one.labels, labels)),
      }
    },
    events: (labels, signal) => events.watch(labels, signal, state.clock),
    async close() {
      for (const container of state.containers.values()) container.kill()
    },
  }
  return {
    ...withFailures(engine, failures),
    addImage(reference, program, info) {
      const image = memoryImage(fullReference(reference), program, info)
      state.images.remote.set(fullReference(reference), image)
      return image.info
    },
    failPull: (reference, failure) =>
      void state.images.remote.set(fullReference(reference), failure),
    failNext: (method, failure) =>
      void failures.set(method, [...(failures.get(method) ?? []), failure]),
    restart: events.restart,
  }
}

function imageCalls({ images, clock }: MemoryState) {
  return {
    async pull(reference: string, options: Parameters<Engine['pull']>[1] = {}) {
      options.signal?.throwIfAborted()
      const image = images.remote.get(fullReference(reference))
      if (image instanceof Failure) throw image
      if (image === undefined)
        throw new Failure('not_found', `manifest for ${reference} not found: manifest unknown`)
      const bytesTotal = image.info.sizeBytes
      const progress = { layers: 1, bytesTotal }
      options.onProgress?.({ ...progress, layersDone: 0, bytes: 0, text: 'Pulling fs layer' })
      await clock.sleep(0, options.signal)
      images.local.set(fullReference(reference), image)
      options.onProgress?.({
        ...progress,
        layersDone: 1,
        bytes: bytesTotal,
        text: `Status: Downloaded newer image for ${reference}`,
      })
      return image.info
    },
    inspectImage: async (reference: string) => findLocal(images, reference)?.info,
    async importImage(tar: AsyncIterable<Uint8Array>, reference: string, changes: string[] = []) {
      let sizeBytes = 0
      for await (const part of tar) sizeBytes += part.length
      const image = importedImage(fullReference(reference), sizeBytes, changes)
      images.local.set(fullReference(reference), image)
      return image.info
    },
    async removeImage(reference: string) {
      const image = findLocal(images, reference)
      for (const [name, one] of images.local)
        if (name === fullReference(reference) || (one === image && one.info.id === reference))
          images.local.delete(name)
    },
  }
}

function networkAndVolumeCalls({ networks, volumes, containers, random }: MemoryState) {
  return {
    async createNetwork(name: string, labels: Labels) {
      if ([...networks.values()].some(one => one.name === name))
        throw new Failure('conflict', `network with name ${name} already exists`)
      const id = uuid(random).replaceAll('-', '')
      networks.set(id, { name, labels })
      return id
    },
    async removeNetwork(idOrName: string) {
      for (const [id, network] of networks) {
        if (id !== idOrName && network.name !== idOrName) continue
        const isUsed = [...containers.values()].some(
          one => one.isRunning && [id, network.name].includes(one.spec.network ?? ''),
        )
        if (isUsed)
          throw new Failure(
            'forbidden',
            `error while removing network: ${idOrName} has active endpoints`,
          )
        networks.delete(id)
      }
    },
    async createVolume(name: string, labels: Labels) {
      if (!volumes.has(name)) volumes.set(name, labels)
    },
    async removeVolume(name: string) {
      const isUsed = [...containers.values()].some(one =>
        one.spec.mounts?.some(mount => mount.type === 'volume' && mount.source === name),
      )
      if (isUsed) throw new Failure('conflict', `remove ${name}: volume is in use`)
      volumes.delete(name)
    },
  }
}

function eventHub() {
  const watchers = new Set<{ queue: (EngineEvent | 'broken')[]; gate: Gate; labels: Labels }>()
  return {
    tell(event: EngineEvent): void {
      for (const watcher of watchers) {
        if (!hasLabels(event.labels ?? {}, watcher.labels)) continue
        watcher.queue.push(event)
        watcher.gate.wake()
      }
    },
    restart(): void {
      for (const watcher of watchers) {
        watcher.queue.push('broken')
        watcher.gate.wake()
      }
    },
    async *watch(labels: Labels, signal: AbortSignal, clock: Clock): AsyncGenerator<EngineEvent> {
      const watcher = { queue: [] as (EngineEvent | 'broken')[], gate: new Gate(), labels }
      watchers.add(watcher)
      try {
        yield { type: 'resync', at: clock.now() }
        while (!signal.aborted) {
          const event = watcher.queue.shift()
          if (event === 'broken') yield { type: 'resync', at: clock.now() }
          else if (event !== undefined) yield event
          else await watcher.gate.wait(signal)
        }
      } finally {
        watchers.delete(watcher)
      }
    },
  }
}

/** Every method that returns a promise first looks whether it was told to fail. */
function withFailures(engine: Engine, failures: Map<string, Failure[]>): Engine {
  const streams = new Set(['logs', 'events'])
  const entries = Object.entries(engine).map(([name, method]) => {
    if (streams.has(name)) return [name, method]
    const guarded = async (...given: unknown[]) => {
      const failure = failures.get(name)?.shift()
      if (failure !== undefined) throw failure
      return (method as (...given: unknown[]) => unknown)(...given)
    }
    return [name, guarded]
  })
  return Object.fromEntries(entries) as Engine
}

function hasLabels(own: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([name, value]) => own[name] === value)
}
