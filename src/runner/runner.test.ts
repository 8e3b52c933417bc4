import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMemoryCoordinator, jobPayload } from '../../test/support/memory-coordinator.ts'
import { createMemoryEngine, type MemoryEngine, type Program } from '../engine/memory/index.ts'
import { Failure, Secret, silentLogger, systemClock, systemRandom } from '../lib/index.ts'
import { createRunner } from './index.ts'

const instanceId = 'unit'
const unavailable = () => new Failure('unavailable', 'connect ENOENT /var/run/docker.sock')

/** As the helper image: a gateway that stays, and programs that end. */
const helper: Program = async process => {
  if (process.command[1] === '/slipway/gateway.js')
    await new Promise(resolve => process.terminated.addEventListener('abort', resolve))
  if (process.command[1] === '/slipway/sources.js') await text(process.stdin)
  return 0
}

/** As a shell with two commands: what the script prints after its first echo, and how it ends. */
const shell: Program = async process => {
  const script = await text(process.stdin)
  for (const [, said] of script.matchAll(/^echo (\w+)/gm)) process.print(`${said}\n`)
  if (script.includes('\nsleep')) await process.sleep(60_000)
  return Number(/^exit (\d+)/m.exec(script)?.[1] ?? 0)
}

let engine: MemoryEngine
let memory: ReturnType<typeof createMemoryCoordinator>
let stopping: AbortController
let running: Promise<void>
let calls: string[]

beforeEach(async () => {
  engine = createMemoryEngine()
  engine.addImage('helper', helper)
  engine.addImage('shell', shell)
  await engine.pull('helper')
  memory = createMemoryCoordinator()
  stopping = new AbortController()
  calls = []
})
afterEach(async () => {
  stopping.abort()
  await running
  const { containers, networks, volumes } = await engine.list({ 'slipway.instance': instanceId })
  expect([containers, networks, volumes]).toEqual([[], [], []])
})

function start(concurrency = 2): void {
  const createNetwork = engine.createNetwork
  engine.createNetwork = (name, labels) => {
    calls.push(name)
    return createNetwork(name, labels)
  }
  const runner = createRunner({
    coordinator: memory.coordinator,
    token: new Secret('glrt-abcdefghijk'),
    systemId: 's_000000000000',
    ...{ engine, instanceId },
    helperImage: async () => 'helper',
    pullImage: (reference, options) => engine.pull(reference, options),
    platform: {
      names: ['slipway.internal'],
      socketDirectory: '/run/slipway',
      url: 'http://slipway.internal',
      publicUrls: [],
      caCertificatePem: 'pem',
      caSubjectHash: '00000000',
    },
    config: { concurrency, stopGraceMs: 10 },
    version: '0.0.0',
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
  })
  running = runner.run(stopping.signal)
}

let lastId = 0
const add = (...script: string[]) =>
  memory.add(jobPayload(++lastId, script, { image: { name: 'shell' } }))

describe('a runner', () => {
  it('runs a job and says how it ended', async () => {
    start()
    const [good, bad] = [add('echo one'), add('echo two', 'exit 3')]
    expect(await good.finished).toMatchObject({ state: 'success', exit_code: 0 })
    expect(await bad.finished).toMatchObject({ state: 'failed', exit_code: 3 })
    expect(good.trace.toString()).toContain('\none\n')
    expect(bad.trace.toString()).toContain('ERROR: Job failed: exit code 3')
  })

  it('asks the engine for a job’s network before it has told the server anything', async () => {
    start()
    const { updateJob } = memory.coordinator
    memory.coordinator.updateJob = (...call) => {
      calls.push('updateJob')
      return updateJob(...call)
    }
    await add('echo one').finished
    expect(calls[0]).toMatch(/^slipway-job\d+-[0-9a-f]{8}-network$/)
    expect(calls).toContain('updateJob')
  })

  it('runs no more jobs at a time than it may, and the next as soon as one has ended', async () => {
    start(1)
    const [first, second] = [add('echo started', 'sleep'), add('echo two')]
    await memory.said(first.payload.id, 'started\n', AbortSignal.timeout(5_000))
    expect(second.status).toBe('pending')
    memory.set(first.payload.id, 'canceled')
    expect((await second.finished).state).toBe('success')
  })

  it('reports an engine that is away as its own failure, not the script’s', async () => {
    start()
    for (const method of ['createNetwork', 'create', 'start', 'attach', 'wait'] as const) {
      // What the job before had started early may still be under way.
      while ((await engine.list({ 'slipway.kind': 'job' })).networks.length > 0)
        await new Promise(resolve => setImmediate(resolve))
      engine.failNext(method, unavailable())
      const job = add('echo one')
      expect((await job.finished).failure_reason, method).toBe('runner_system_failure')
      expect(job.trace.toString(), method).toContain(
        "ERROR: Job failed (system failure): the container engine can't be reached: connect ENOENT",
      )
    }
  })

  it('cleans up again when the engine was away for the cleanup', async () => {
    start()
    const job = add('echo one')
    engine.failNext('remove', unavailable())
    engine.failNext('removeNetwork', unavailable())
    expect((await job.finished).state).toBe('success')
  })

  it('says which reason a pull failed for', async () => {
    start()
    engine.failPull('private', new Failure('unauthorized', 'pull access denied for private'))
    const job = memory.add(jobPayload(++lastId, [], { image: { name: 'private' } }))
    expect((await job.finished).failure_reason).toBe('image_pull_failure')
    expect(job.trace.toString()).toContain('pull access denied for private')
  })

  it('refuses a pull policy that it does not know', async () => {
    start()
    const image = { name: 'shell', pull_policy: ['sometimes'] }
    const job = memory.add(jobPayload(++lastId, [], { image }))
    expect((await job.finished).failure_reason).toBe('runner_configuration_error')
    expect(job.trace.toString()).toContain('unsupported pull_policy "sometimes"')
  })
})
