import { pack } from 'tar-stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ContainerSpec, Engine, OutputChunk } from '../../src/engine/index.ts'
import { Failure, systemRandom, uuid } from '../../src/lib/index.ts'

/** How an adapter takes part in the contract. */
export interface EngineTarget {
  open(): Engine
  /** Makes the image `reference` whose containers can do every step of `Step`. */
  prepare(engine: Engine, reference: string): Promise<void>
  /** The command for these steps, one after the other. */
  command(steps: readonly Step[]): string[]
  /** A reference that can't be pulled, and the code of the failure. */
  missing: { reference: string; code: Failure['code'] }
}

/**
 * What a container is asked to do. `put` prints without a line end; `hang` ends with 143 at SIGTERM, `deaf` doesn't; `cat` copies standard input to output; `oom` uses up all memory;
 * `serve` answers HTTP on `$PORT`.
 */
export type Step =
  | `print ${string}`
  | `put ${string}`
  | `warn ${string}`
  | `env ${string}`
  | `read ${string}`
  | `sleep ${number}`
  | `exit ${number}`
  | 'cat'
  | 'hang'
  | 'deaf'
  | 'oom'
  | 'serve'

/** What every adapter of the engine port has to do. Everything it makes carries one label and is removed. */
export function engineContract(name: string, target: EngineTarget): void {
  const run = uuid(systemRandom).slice(0, 8)
  const image = `slipway-contract/${run}:1`
  const labels = { 'slipway.contract': run }
  let engine: Engine
  let made = 0

  const spec = (steps: readonly Step[], more: Partial<ContainerSpec> = {}): ContainerSpec => ({
    name: `contract-${run}-${++made}`,
    image,
    command: target.command(steps),
    labels,
    ...more,
  })
  const started = async (steps: readonly Step[], more: Partial<ContainerSpec> = {}) => {
    const id = await engine.create(spec(steps, more))
    await engine.start(id)
    return id
  }

  describe(`engine contract: ${name}`, () => {
    beforeAll(async () => {
      engine = target.open()
      await target.prepare(engine, image)
    })
    afterAll(async () => {
      const left = await engine.list(labels)
      await Promise.all(left.containers.map(one => engine.remove(one.id)))
      await Promise.all(left.networks.map(one => engine.removeNetwork(one.id)))
      await Promise.all(left.volumes.map(one => engine.removeVolume(one.name)))
      await engine.removeImage(image)
      await engine.close()
    })
    lifecycle()
    streams()
    things()
    watching()
  })

  function lifecycle() {
    it('tells about itself', async () => {
      const info = await engine.info()
      expect(info.version).not.toBe('')
      expect(info.cpus).toBeGreaterThan(0)
      expect(info.memoryBytes).toBeGreaterThan(0)
    })

    it('runs a program and tells its exit code', async () => {
      const id = await engine.create(spec(['print hello', 'exit 3']))
      expect((await engine.inspect(id))?.status).toBe('created')
      await engine.start(id)
      expect(await engine.wait(id)).toEqual({ exitCode: 3, outOfMemory: false })
      const state = await engine.inspect(id)
      expect(state).toMatchObject({ id, image, labels, status: 'exited', exitCode: 3 })
      // a program that ends at once may be over before the engine has noted its start
      expect(Math.abs((state?.finishedAt ?? 0) - (state?.startedAt ?? 0))).toBeLessThan(60_000)
    })

    it('passes the environment on', async () => {
      const id = await started(['env GREETING'], { env: { GREETING: 'a=b "c" $d\nsecond line' } })
      await engine.wait(id)
      expect(text(await all(engine.logs(id, { follow: false })))).toBe('a=b "c" $d\nsecond line\n')
    })

    it('ends a program by SIGTERM within its grace', async () => {
      const id = await started(['print up', 'hang'])
      await firstChunk(id)
      await engine.stop(id, 20_000)
      expect((await engine.inspect(id))?.exitCode).toBe(143)
      await engine.stop(id, 1000)
    })

    it('kills a program that ignores SIGTERM', async () => {
      const id = await started(['print up', 'deaf'])
      await firstChunk(id)
      await engine.stop(id, 300)
      expect((await engine.wait(id)).exitCode).toBe(137)
    })

    it('kills at once, and says nothing when there is nothing to kill', async () => {
      const id = await started(['deaf'])
      await engine.kill(id, 'SIGKILL')
      expect((await engine.wait(id)).exitCode).toBe(137)
      await engine.kill(id, 'SIGKILL')
      await engine.kill('there-is-no-such-container', 'SIGTERM')
    })

    it('tells that memory ran out', async () => {
      const id = await started(['oom'], { memoryBytes: 16 * 1024 * 1024 })
      expect(await engine.wait(id)).toEqual({ exitCode: 137, outOfMemory: true })
    })

    it('removes running containers, and forgets them', async () => {
      const id = await started(['deaf'])
      await Promise.all([engine.remove(id), engine.remove(id)])
      await engine.remove(id)
      await engine.stop(id, 0)
      expect(await engine.inspect(id)).toBeUndefined()
      await expect(engine.start(id)).rejects.toMatchObject({ code: 'not_found' })
      await expect(engine.wait(id)).rejects.toMatchObject({ code: 'not_found' })
    })

    it('gives up waiting when told', async () => {
      const id = await started(['deaf'])
      const signal = AbortSignal.timeout(50)
      await expect(engine.wait(id, signal)).rejects.toBe(await reasonOf(signal))
      expect((await engine.inspect(id))?.status).toBe('running')
      await engine.remove(id)
    })

    it('refuses a name that is taken, and an image that is not there', async () => {
      const first = spec(['exit 0'])
      await engine.create(first)
      await expect(engine.create(first)).rejects.toMatchObject({ code: 'conflict' })
      const image = 'slipway-contract/none:1'
      await expect(engine.create(spec([], { image }))).rejects.toMatchObject({ code: 'not_found' })
    })
  }

  function streams() {
    it('keeps the two output streams apart, with times', async () => {
      const before = Date.now() - 5000
      const id = await started(['print one', 'warn two', 'sleep 20', 'print three'])
      await engine.wait(id)
      const chunks = await all(engine.logs(id, { follow: false }))
      const only = (stream: string) => text(chunks.filter(chunk => chunk.stream === stream))
      expect(only('stdout')).toBe('one\nthree\n')
      expect(only('stderr')).toBe('two\n')
      for (const chunk of chunks) expect(chunk.at).toBeGreaterThan(before)
    })

    it('continues right behind a line that was seen', async () => {
      const steps = Array.from({ length: 20 }, (_, line): Step => `print line ${line}`)
      const id = await started(steps)
      await engine.wait(id)
      const chunks = await all(engine.logs(id, { follow: false }))
      const since = chunks.find(chunk => text([chunk]) === 'line 9\n')?.at
      const rest = text(await all(engine.logs(id, { follow: false, since })))
      expect(rest.split('\n')[0]).toBe('line 10')
      const tail = text(await all(engine.logs(id, { follow: false, tail: 2 })))
      expect(tail).toBe('line 18\nline 19\n')
    })

    it('follows output until the program ends', async () => {
      const id = await started(['print one', 'sleep 100', 'print two'])
      expect(text(await all(engine.logs(id, { follow: true })))).toBe('one\ntwo\n')
    })

    it('misses nothing of a program that ends at once, with or without a last line end', async () => {
      for (let n = 0; n < 5; n++) {
        const id = await started(['print start', 'put end'])
        expect(text(await all(engine.logs(id, { follow: true })))).toBe('start\nend')
      }
    })

    it('stops following when told', async () => {
      const id = await started(['print one', 'hang'])
      const stop = new AbortController()
      for await (const chunk of engine.logs(id, { follow: true, signal: stop.signal })) {
        expect(text([chunk])).toBe('one\n')
        stop.abort()
      }
      await engine.remove(id)
    })

    it('feeds standard input and reads output live', async () => {
      const id = await engine.create(spec(['cat', 'exit 5'], { stdin: true }))
      const attached = await engine.attach(id)
      await engine.start(id)
      const output = attached.output[Symbol.asyncIterator]()
      await attached.write(Buffer.from('ping\n'))
      const first = await output.next()
      expect(text([first.value])).toBe('ping\n')
      const big = Buffer.alloc(300_000, 'x')
      const rest = (async () => {
        let size = 0
        for (let one = await output.next(); !one.done; one = await output.next())
          size += one.value.bytes.length
        return size
      })()
      await attached.write(big)
      attached.end()
      expect(await rest).toBe(big.length)
      expect((await engine.wait(id)).exitCode).toBe(5)
    })

    it('executes a second program in a running container', async () => {
      const id = await started(['hang'], { env: { FROM: 'container' } })
      const handle = await engine.exec(id, {
        command: target.command(['env FROM', 'env MORE', 'warn oops', 'exit 4']),
        env: { MORE: 'exec' },
      })
      const chunks = await all(handle.output)
      expect(text(chunks.filter(chunk => chunk.stream === 'stdout'))).toBe('container\nexec\n')
      expect(text(chunks.filter(chunk => chunk.stream === 'stderr'))).toBe('oops\n')
      expect(await handle.exitCode()).toBe(4)

      const silent = await engine.exec(id, { command: target.command(['print x', 'exit 6']) })
      expect(await silent.exitCode()).toBe(6)

      const fed = await engine.exec(id, { command: target.command(['cat']), stdin: true })
      await fed.write(Buffer.from('fed'))
      fed.end()
      expect(text(await all(fed.output))).toBe('fed')
      await engine.remove(id)
    })

    it('executes nothing in a container that does not run', async () => {
      const id = await started(['exit 0'])
      await engine.wait(id)
      const command = target.command(['exit 0'])
      await expect(engine.exec(id, { command })).rejects.toMatchObject({ code: 'conflict' })
    })
  }

  function things() {
    it('takes and gives files', async () => {
      const id = await engine.create(spec(['read /tmp/in/file.txt']))
      const tar = pack()
      tar.entry({ name: 'in/file.txt' }, 'contents\n')
      tar.finalize()
      await engine.putArchive(id, '/tmp', tar as AsyncIterable<Uint8Array>)
      await engine.start(id)
      await engine.wait(id)
      expect(text(await all(engine.logs(id, { follow: false })))).toBe('contents\n')
      const parts: Uint8Array[] = []
      for await (const part of await engine.getArchive(id, '/tmp/in')) parts.push(part)
      const packed = Buffer.concat(parts).toString('latin1')
      expect(packed).toContain('in/file.txt')
      expect(packed).toContain('contents\n')
      await expect(engine.getArchive(id, '/nowhere')).rejects.toMatchObject({ code: 'not_found' })
    })

    it('gives a container on a network an address that the host reaches', async () => {
      const network = `contract-${run}-net`
      await engine.createNetwork(network, labels)
      await expect(engine.createNetwork(network, labels)).rejects.toMatchObject({
        code: 'conflict',
      })
      const id = await started(['serve'], { network, aliases: ['web'], env: { PORT: '8080' } })
      const address = (await engine.inspect(id))?.addresses[network]
      expect(await reaches(`http://${address}:8080/`)).toBe(true)
      await expect(engine.removeNetwork(network)).rejects.toBeInstanceOf(Failure)
      await engine.remove(id)
      await engine.removeNetwork(network)
      await engine.removeNetwork(network)
    })

    it('refuses to start on a network that is not there', async () => {
      const network = `contract-${run}-none`
      const id = await engine.create(spec(['exit 0'], { network }))
      await expect(engine.start(id)).rejects.toMatchObject({ code: 'not_found' })
    })

    it('makes and removes volumes', async () => {
      const volume = `contract-${run}-volume`
      await engine.createVolume(volume, labels)
      await engine.createVolume(volume, labels)
      const mounts = [{ source: volume, target: '/data', type: 'volume' as const }]
      const id = await engine.create(spec(['exit 0'], { mounts }))
      await expect(engine.removeVolume(volume)).rejects.toMatchObject({ code: 'conflict' })
      await engine.remove(id)
      await engine.removeVolume(volume)
      await engine.removeVolume(volume)
    })

    it('knows images, and says when one cannot be had', async () => {
      expect((await engine.inspectImage(image))?.id).toMatch(/^sha256:[0-9a-f]{64}$/)
      expect(await engine.inspectImage('slipway-contract/none:1')).toBeUndefined()
      const { reference, code } = target.missing
      await expect(engine.pull(reference)).rejects.toMatchObject({ code })
      await engine.removeImage('slipway-contract/none:1')
    })

    it('finds everything again by its labels', async () => {
      const own = { ...labels, 'slipway.contract.part': 'list' }
      const name = `contract-${run}-list`
      const network = await engine.createNetwork(name, own)
      await engine.createVolume(name, own)
      const id = await engine.create(spec(['exit 0'], { labels: own }))
      const found = await engine.list(own)
      expect(found.containers.map(one => one.id)).toEqual([id])
      expect(found.containers[0]).toMatchObject({ status: 'created', labels: own })
      expect(found.networks).toEqual([{ id: network, name, labels: own }])
      expect(found.volumes).toEqual([{ name, labels: own }])
      expect((await engine.list({ ...own, more: 'none' })).containers).toEqual([])
    })
  }

  function watching() {
    it('tells of starts and ends of its own containers', async () => {
      const own = { ...labels, 'slipway.contract.part': 'events' }
      const stop = new AbortController()
      const events = engine.events(own, stop.signal)[Symbol.asyncIterator]()
      expect((await events.next()).value).toMatchObject({ type: 'resync' })
      await started(['exit 0'])
      const id = await started(['exit 9'], { labels: own })
      expect((await events.next()).value).toMatchObject({ type: 'start', id, labels: own })
      expect((await events.next()).value).toMatchObject({ type: 'die', id, exitCode: 9 })
      const end = events.next()
      stop.abort()
      expect((await end).done).toBe(true)
    })
  }

  /** Waits until the program has printed, so that its signal handlers are in place. */
  async function firstChunk(id: string): Promise<void> {
    for await (const _chunk of engine.logs(id, { follow: true })) return
  }
}

async function all(source: AsyncIterable<OutputChunk>): Promise<OutputChunk[]> {
  const chunks: OutputChunk[] = []
  for await (const chunk of source) chunks.push(chunk)
  return chunks
}

function text(chunks: readonly OutputChunk[]): string {
  return Buffer.concat(chunks.map(chunk => chunk.bytes)).toString()
}

function reasonOf(signal: AbortSignal): Promise<unknown> {
  return new Promise(resolve =>
    signal.addEventListener('abort', () => resolve(signal.reason), { once: true }),
  )
}

/** Whether anything answers HTTP there within ten seconds. */
async function reaches(url: string): Promise<boolean> {
  const until = Date.now() + 10_000
  while (Date.now() < until) {
    try {
      await fetch(url, { signal: AbortSignal.timeout(2000) })
      return true
    } catch {
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
  return false
}
