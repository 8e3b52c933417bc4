import { Failure, uuid } from '../../lib/index.ts'
import type {
  Attachment,
  ContainerSpec,
  ContainerState,
  Engine,
  EngineEvent,
  ExecHandle,
  ExecSpec,
  ExitStatus,
  OutputChunk,
} from '../index.ts'
import { type Files, packFrom, unpackInto } from './files.ts'
import { findLocal, type MemoryImage, noSuchImage } from './images.ts'
import { RunningProgram } from './process.ts'
import type { MemoryState } from './state.ts'

/** One container of the memory engine. */
export class MemoryContainer {
  readonly id: string
  readonly spec: ContainerSpec
  readonly image: MemoryImage
  readonly files: Files = new Map()
  readonly main: RunningProgram
  /** On Linux all of 127/8 is this machine, so each container can have the same port on an address of its own. */
  readonly address: string
  readonly #state: MemoryState
  readonly #execs = new Set<RunningProgram>()
  #startedAt: number | undefined
  #finishedAt: number | undefined
  #ended: Promise<ExitStatus> | undefined

  constructor(state: MemoryState, spec: ContainerSpec, image: MemoryImage) {
    this.id = uuid(state.random).replaceAll('-', '').repeat(2)
    this.spec = spec
    this.image = image
    this.main = new RunningProgram(state.clock, {
      stdin: spec.stdin ?? false,
      maxBytes: spec.logMaxBytes,
    })
    const [a = 0, b = 0, c = 0] = state.random.bytes(3)
    this.address = `127.${64 + (a % 128)}.${b}.${1 + (c % 254)}`
    this.#state = state
  }

  get isRunning(): boolean {
    return this.#startedAt !== undefined && this.main.status === undefined
  }

  state(): ContainerState {
    const network = this.spec.network ?? 'bridge'
    return {
      id: this.id,
      name: this.spec.name,
      image: this.spec.image,
      labels: this.spec.labels,
      status: this.isRunning ? 'running' : this.main.status === undefined ? 'created' : 'exited',
      ...this.main.status,
      ...(this.#startedAt === undefined ? {} : { startedAt: this.#startedAt }),
      ...(this.#finishedAt === undefined ? {} : { finishedAt: this.#finishedAt }),
      addresses: this.isRunning ? { [network]: this.address } : {},
    }
  }

  start(): void {
    if (this.isRunning) return
    if (this.main.status !== undefined)
      throw new Failure('invalid', 'The memory engine starts a container once; make a new one.')
    const { info, program } = this.image
    this.#startedAt = this.#state.clock.now()
    this.#tell('start')
    const entrypoint = this.spec.entrypoint ?? info.entrypoint
    const isOwn = this.spec.command !== undefined || this.spec.entrypoint !== undefined
    this.#ended = this.main
      .run(program, {
        spec: this.spec,
        command: [...entrypoint, ...(isOwn ? (this.spec.command ?? []) : info.command)],
        env: { ...environmentOf(info.env), ...this.spec.env },
        files: this.files,
        address: this.address,
      })
      .then(status => {
        this.#finishedAt = this.#state.clock.now()
        for (const one of this.#execs) one.signal('SIGKILL')
        if (status.outOfMemory) this.#tell('oom')
        this.#tell('die', status.exitCode)
        return status
      })
  }

  /** At once for one that was never started, as Docker does it. */
  async wait(signal?: AbortSignal): Promise<ExitStatus> {
    if (this.#ended === undefined) return { exitCode: 0, outOfMemory: false }
    if (signal === undefined) return this.#ended
    signal.throwIfAborted()
    const ended = this.#ended
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      ended.then(resolve).finally(() => signal.removeEventListener('abort', onAbort))
    })
  }

  async stop(graceMs: number): Promise<void> {
    if (!this.isRunning) return
    this.main.signal('SIGTERM')
    const enough = new AbortController()
    const grace = this.#state.clock.sleep(graceMs, enough.signal).then(
      () => this.kill(),
      () => {},
    )
    await this.#ended
    enough.abort()
    await grace
  }

  kill(signal = 'SIGKILL'): void {
    if (this.isRunning) this.main.signal(signal)
  }

  exec(spec: ExecSpec): ExecHandle {
    if (!this.isRunning) throw new Failure('conflict', `Container ${this.id} is not running`)
    const program = new RunningProgram(this.#state.clock, { stdin: spec.stdin ?? false })
    this.#execs.add(program)
    const attachment = attachmentTo(program)
    const ended = program.run(this.image.program, {
      spec: this.spec,
      command: spec.command,
      env: { ...environmentOf(this.image.info.env), ...this.spec.env, ...spec.env },
      files: this.files,
      address: this.address,
    })
    ended.finally(() => this.#execs.delete(program))
    return { ...attachment, exitCode: async () => (await ended).exitCode }
  }

  #tell(type: EngineEvent['type'], exitCode?: number): void {
    this.#state.tell({
      type,
      id: this.id,
      labels: this.spec.labels,
      at: this.#state.clock.now(),
      ...(exitCode === undefined ? {} : { exitCode }),
    })
  }
}

/** The part of the port that is about containers. */
export function containerCalls(state: MemoryState) {
  function find(idOrName: string): MemoryContainer | undefined {
    const byId = state.containers.get(idOrName)
    return byId ?? [...state.containers.values()].find(one => one.spec.name === idOrName)
  }
  function need(idOrName: string): MemoryContainer {
    const container = find(idOrName)
    if (container === undefined) throw new Failure('not_found', `No such container: ${idOrName}`)
    return container
  }
  return {
    async create(spec: ContainerSpec) {
      const image = findLocal(state.images, spec.image)
      if (image === undefined) throw noSuchImage(spec.image)
      if (find(spec.name) !== undefined)
        throw new Failure('conflict', `The container name "/${spec.name}" is already in use.`)
      const container = new MemoryContainer(state, spec, image)
      state.containers.set(container.id, container)
      return container.id
    },
    async start(id: string) {
      const { network } = need(id).spec
      const isKnown = [...state.networks].some(
        ([own, one]) => own === network || one.name === network,
      )
      if (network !== undefined && !isKnown)
        throw new Failure('not_found', `network ${network} not found`)
      need(id).start()
    },
    wait: async (id: string, signal?: AbortSignal) => need(id).wait(signal),
    stop: async (id: string, graceMs: number) => find(id)?.stop(graceMs),
    async kill(id: string, signal: string) {
      find(id)?.kill(signal.startsWith('SIG') ? signal : `SIG${signal}`)
    },
    async remove(id: string) {
      const container = find(id)
      if (container === undefined) return
      container.kill()
      await container.wait()
      state.containers.delete(container.id)
    },
    inspect: async (id: string) => find(id)?.state(),
    putArchive: async (
      id: string,
      path: string,
      tar: AsyncIterable<Uint8Array> | Uint8Array,
    ): Promise<void> => unpackInto(need(id).files, path, tar),
    getArchive: async (id: string, path: string) => packFrom(need(id).files, path),
    async attach(id: string): Promise<Attachment> {
      return attachmentTo(need(id).main)
    },
    exec: async (id: string, spec: ExecSpec) => need(id).exec(spec),
    logs: (id: string, options: Parameters<Engine['logs']>[1]) => logs(need, id, options),
  }
}

async function* logs(
  need: (id: string) => MemoryContainer,
  id: string,
  { follow, since, tail, signal }: Parameters<Engine['logs']>[1],
): AsyncGenerator<OutputChunk> {
  const { main } = need(id)
  const from = tail === undefined ? 0 : Math.max(0, main.printed - tail)
  for await (const chunk of main.follow(from, { follow, signal }))
    if (since === undefined || (chunk.at ?? 0) > since) yield chunk
}

function attachmentTo(program: RunningProgram): Attachment {
  const from = program.printed
  return {
    write: bytes => program.write(bytes),
    end: () => program.endInput(),
    output: { [Symbol.asyncIterator]: () => program.follow(from, { follow: true }) },
  }
}

function environmentOf(env: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    env.map(one => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]),
  )
}
