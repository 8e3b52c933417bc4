import { type Clock, Failure, Gate } from '../../lib/index.ts'
import type { ContainerSpec, ExitStatus, OutputChunk } from '../index.ts'

/** What a container of the memory engine runs: a function that prints, sleeps, listens and returns its exit code. */
export type Program = (process: MemoryProcess) => Promise<number>

/** What a program sees of its container. */
export interface MemoryProcess {
  readonly spec: ContainerSpec
  /** Entrypoint and command, the image's unless the spec (or the exec) has its own. */
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly stdin: AsyncIterable<Uint8Array>
  /** Absolute path → contents, as `putArchive` left them; shared by all programs of a container. */
  readonly files: Map<string, Uint8Array>
  /** A loopback address that no other container has, to listen on. */
  readonly address: string
  /** Aborts at SIGTERM and the like; a program may ignore it. Its reason is the signal's name. */
  readonly terminated: AbortSignal
  /** Aborts at SIGKILL: the container has ended, whatever the program still does. */
  readonly killed: AbortSignal
  print(text: string | Uint8Array): void
  warn(text: string | Uint8Array): void
  sleep(ms: number): Promise<void>
  /** Ends the container as the kernel does when its memory is used up. */
  runOutOfMemory(): never
}

const killedCode = 137
const failedCode = 1
const keptBytes = 4 * 1024 * 1024
const stdinHighBytes = 1024 * 1024

class OutOfMemory extends Error {}

/** One program at work, in a container or by exec: its output, its input, its end. */
export class RunningProgram {
  readonly #output: { chunk: OutputChunk; index: number }[] = []
  readonly #changed = new Gate()
  readonly #terminate = new AbortController()
  readonly #kill = new AbortController()
  readonly #input: Uint8Array[] = []
  readonly #clock: Clock
  readonly #maxBytes: number
  #inputEnded: boolean
  #inputBytes = 0
  #outputBytes = 0
  #printed = 0
  #status: ExitStatus | undefined

  constructor(clock: Clock, options: { stdin: boolean; maxBytes?: number | undefined }) {
    this.#clock = clock
    this.#maxBytes = options.maxBytes ?? keptBytes
    this.#inputEnded = !options.stdin
  }

  get status(): ExitStatus | undefined {
    return this.#status
  }

  /** How many chunks were printed so far; a position for `follow`. */
  get printed(): number {
    return this.#printed
  }

  run(
    program: Program,
    context: Pick<MemoryProcess, 'spec' | 'command' | 'env' | 'files' | 'address'>,
  ): Promise<ExitStatus> {
    const killed = new Promise<ExitStatus>(resolve => {
      const end = () => resolve({ exitCode: killedCode, outOfMemory: false })
      this.#kill.signal.addEventListener('abort', end, { once: true })
      if (this.#kill.signal.aborted) end()
    })
    const ended = program({
      ...context,
      stdin: this.#read(),
      terminated: this.#terminate.signal,
      killed: this.#kill.signal,
      print: text => this.#print('stdout', text),
      warn: text => this.#print('stderr', text),
      sleep: ms => this.#clock.sleep(ms, this.#kill.signal),
      runOutOfMemory: () => {
        throw new OutOfMemory('out of memory')
      },
    }).then(
      exitCode => ({ exitCode, outOfMemory: false }),
      error => {
        if (error instanceof OutOfMemory) return { exitCode: killedCode, outOfMemory: true }
        this.#print('stderr', `${error}\n`)
        return { exitCode: failedCode, outOfMemory: false }
      },
    )
    return Promise.race([killed, ended]).then(status => {
      this.#status = status
      this.#kill.abort()
      this.#changed.wake()
      return status
    })
  }

  signal(name: string): void {
    if (name === 'SIGKILL') this.#kill.abort()
    else this.#terminate.abort(name)
    this.#changed.wake()
  }

  async write(bytes: Uint8Array): Promise<void> {
    while (this.#inputBytes > stdinHighBytes && this.#status === undefined)
      await this.#changed.wait()
    if (this.#inputEnded || this.#status !== undefined)
      throw new Failure('conflict', 'The program no longer reads its standard input.')
    this.#input.push(Uint8Array.from(bytes))
    this.#inputBytes += bytes.length
    this.#changed.wake()
  }

  endInput(): void {
    this.#inputEnded = true
    this.#changed.wake()
  }

  /** Chunks from position `from` on, until the program ends (or at once when not `follow`). */
  async *follow(
    from: number,
    options: { follow: boolean; signal?: AbortSignal | undefined },
  ): AsyncGenerator<OutputChunk> {
    let next = from
    while (!options.signal?.aborted) {
      const oldest = this.#output[0]?.index ?? this.#printed
      const one = this.#output[Math.max(next, oldest) - oldest]
      if (one !== undefined) {
        next = one.index + 1
        yield one.chunk
      } else if (this.#status !== undefined || !options.follow) return
      else await this.#changed.wait(options.signal)
    }
  }

  #print(stream: OutputChunk['stream'], text: string | Uint8Array): void {
    if (this.#status !== undefined) return
    const bytes = typeof text === 'string' ? Buffer.from(text) : Uint8Array.from(text)
    // no two lines of one container share an instant, so that `since` can tell them apart
    const last = this.#output.at(-1)?.chunk.at ?? 0
    const at = Math.max(this.#clock.now(), last + 2 ** -10)
    this.#output.push({ chunk: { stream, bytes, at }, index: this.#printed++ })
    this.#outputBytes += bytes.length
    while (this.#outputBytes > this.#maxBytes && this.#output.length > 1)
      this.#outputBytes -= this.#output.shift()!.chunk.bytes.length
    this.#changed.wake()
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const bytes = this.#input.shift()
      if (bytes !== undefined) {
        this.#inputBytes -= bytes.length
        this.#changed.wake()
        yield bytes
      } else if (this.#inputEnded || this.#kill.signal.aborted) return
      else await this.#changed.wait(this.#kill.signal)
    }
  }
}
