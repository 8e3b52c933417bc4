import { describe, expect, it } from 'vitest'
import {
  createMemoryCoordinator,
  jobPayload,
  outputOf,
} from '../../test/support/memory-coordinator.ts'
import { silentLogger, systemClock } from '../lib/index.ts'
import { createMasker } from '../logs/index.ts'
import { Trace } from './trace.ts'

async function open(options: { limitBytes?: number; secrets?: string[] } = {}) {
  const memory = createMemoryCoordinator()
  const job = memory.add(jobPayload(1, []))
  await memory.coordinator.requestJob({} as never, new AbortController().signal)
  const lost: unknown[] = []
  const trace = new Trace({
    coordinator: memory.coordinator,
    jobId: 1,
    token: 'token',
    newMasker: () => createMasker(options.secrets ?? []),
    limitBytes: options.limitBytes ?? 1_000_000,
    sections: true,
    clock: systemClock,
    log: silentLogger,
    onStatus: () => {},
    onLost: error => lost.push(error),
  })
  return { memory, job, trace, lost }
}

describe('a trace', () => {
  it('arrives in order, masked per stream, with repaired characters, and counted', async () => {
    const { job, trace } = await open({ secrets: ['geheimnis'] })
    const [one, two] = [trace.stream(), trace.stream()]
    const bytes = Buffer.from('ä geheimnis\n')
    await one.write(bytes.subarray(0, 1))
    await two.write(Buffer.from('two\n'))
    await one.write(bytes.subarray(1, 6))
    await one.write(bytes.subarray(6))
    await two.write(Buffer.from([0xff, 0x0a]))
    one.end()
    two.end()
    const output = await trace.finish('end\n')
    expect(job.trace.toString()).toBe('two\nä [MASKED]\n\ufffd\nend\n')
    expect(output).toEqual(outputOf(job.trace))
  })

  it('stops at its limit between characters, but still ends with its last line', async () => {
    const { job, trace } = await open({ limitBytes: 5 })
    const stream = trace.stream()
    await stream.write(Buffer.from('abcdé and more'))
    await stream.write(Buffer.from('and more'))
    stream.end()
    const output = await trace.finish('end\n')
    expect(job.trace.toString()).toMatch(
      /^abcd\n.*exceeded limit of 5 bytes\.[\s\S]*collected\..*\nend\n$/,
    )
    expect(output).toEqual(outputOf(job.trace))
  })

  it('goes on where the server is when an answer got lost', async () => {
    const { job, memory, trace } = await open()
    const append = memory.coordinator.appendTrace
    let calls = 0
    memory.coordinator.appendTrace = async (...call) => {
      const answer = await append(...call)
      if (++calls === 1) throw new Error('connection reset')
      return answer
    }
    trace.plain('one')
    const output = await trace.finish('end\n')
    expect(job.trace.toString()).toBe('\x1b[0Kone\x1b[0;m\nend\n')
    expect(output).toEqual(outputOf(job.trace))
  })

  it('tells when the server takes no more', async () => {
    const { memory, trace, lost } = await open()
    memory.set(1, 'canceled')
    trace.plain('one')
    await trace.finish('end\n')
    expect(lost).toHaveLength(1)
  })

  it('makes a fast writer wait for a slow server', async () => {
    const { memory, trace } = await open({ limitBytes: 100_000_000 })
    const append = memory.coordinator.appendTrace
    let free = () => {}
    const held = new Promise<void>(resolve => {
      free = resolve
    })
    memory.coordinator.appendTrace = async (...call) => {
      await held
      return append(...call)
    }
    const stream = trace.stream()
    let written = 0
    const writing = (async () => {
      for (; written < 10; written++) await stream.write(Buffer.alloc(1024 * 1024, 'x'))
    })()
    await new Promise(resolve => setImmediate(resolve))
    expect(written).toBeLessThan(4)
    free()
    await writing
    stream.end()
    expect((await trace.finish('')).bytesize).toBe(10 * 1024 * 1024)
  })
})
