import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { importBusybox } from '../../test/support/busybox.ts'
import { type MemoryJob, outputOf } from '../../test/support/memory-coordinator.ts'
import { startTestRunner } from '../../test/support/runner.ts'
import { connectionFrom, createDockerEngine } from '../engine/docker/index.ts'
import type { JobStep, JobVariable } from '../protocol/index.ts'

const engine = createDockerEngine(connectionFrom(process.env))
const image = `slipway-test-runner-${process.pid}:latest`
const deadline = () => AbortSignal.timeout(60_000)
let runner: Awaited<ReturnType<typeof startTestRunner>>

beforeAll(async () => {
  await importBusybox(engine, image)
  runner = await startTestRunner(engine, {
    files: { 'README.md': '# Students\n', 'tools/greet.sh': 'echo hello from the sources\n' },
    config: { stopGraceMs: 1_000, serviceWaitMs: 2_000, logLimitBytes: 64 * 1024 },
  })
})
afterAll(async () => {
  await runner.close()
  expect(await runner.leftovers()).toEqual([])
  await engine.removeImage(image)
  await engine.close()
})

const afterScript = (...script: string[]): JobStep => ({
  name: 'after_script',
  script,
  timeout: 300,
  when: 'always',
  allow_failure: true,
})
const variable = (key: string, value: string, more: Partial<JobVariable> = {}): JobVariable => ({
  ...{ key, value, public: true, masked: false, ...more },
})
const script = (...commands: string[]): JobStep => ({
  ...afterScript(...commands),
  ...{ name: 'script', when: 'on_success', allow_failure: false },
})
const run = (commands: string[], change: Parameters<typeof runner.add>[1] = {}) =>
  runner.add(commands, { image: { name: image }, ...change })
const text = (job: MemoryJob) => job.trace.toString()
const gone = async (job: MemoryJob) => {
  for (const until = Date.now() + 10_000; Date.now() < until; ) {
    const left = await engine.list({
      'slipway.instance': runner.instanceId,
      'slipway.job': String(job.payload.id),
    })
    if (left.containers.length + left.networks.length + left.volumes.length === 0) return true
  }
  return false
}

describe('a job on a real engine', () => {
  it('runs with its sources, variables, files and sections, and leaves nothing behind', async () => {
    const job = run([], {
      steps: [
        script('sh tools/greet.sh', 'echo "$GREETING, $NOBODY."', 'cat "$KEY"', 'echo $SECRET'),
        afterScript('echo "after: $CI_JOB_STATUS"; cat README.md'),
      ],
      variables: [
        variable('NAME', 'Ann'),
        variable('GREETING', 'Hello $NAME'),
        variable('KEY', 'line 1\nline 2\n', { file: true }),
        variable('SECRET', 'hunter2-hunter2', { masked: true }),
      ],
    })
    const update = await job.finished
    expect(update, text(job)).toMatchObject({ state: 'success', output: outputOf(job.trace) })
    expect(text(job)).toContain('\x1b[32;1m$ sh tools/greet.sh\x1b[0;m\nhello from the sources\n')
    expect(text(job)).toContain('Hello Ann, .\n')
    expect(text(job)).toContain('line 1\nline 2\n')
    expect(text(job)).toContain('[MASKED]')
    expect(text(job)).not.toContain('hunter2')
    expect(text(job)).toContain('after: success\n# Students\n')
    expect(text(job)).toMatch(/section_start:\d+:get_sources\r\x1b\[0K/)
    expect(text(job)).toMatch(/section_end:\d+:step_script\r\x1b\[0K/)
    expect(text(job).endsWith('\x1b[32;1mJob succeeded\x1b[0;m\n')).toBe(true)
    expect(await gone(job)).toBe(true)
  })

  it('reports the exit code of the command that fails, and runs nothing after it', async () => {
    const job = run(['echo one', 'sh -c "exit 42"', 'echo never'], {
      steps: [
        script('echo one', 'sh -c "exit 42"', 'echo never'),
        afterScript('echo $CI_JOB_STATUS'),
      ],
    })
    expect(await job.finished).toMatchObject({
      ...{ state: 'failed', failure_reason: 'script_failure', exit_code: 42 },
    })
    expect(text(job)).toContain('ERROR: Job failed: exit code 42')
    expect(text(job)).toContain('\nfailed\n')
    expect(text(job)).not.toContain('\nnever\n')
  })

  it('shows a line within 150 ms of its being printed', async () => {
    const bootedAt = Date.now() - Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000
    const job = run([
      'for n in 1 2 3 4 5 6 7; do echo "at $(cut -d" " -f1 /proc/uptime) s"; sleep 0.3; done',
    ])
    await job.finished
    const delays = [...text(job).matchAll(/at ([\d.]+) s\n/g)].map(match => {
      const arrival = job.arrivals.find(({ size }) => size >= match.index + match[0].length)
      return arrival!.at - bootedAt - Number(match[1]) * 1000
    })
    expect(delays).toHaveLength(7)
    expect(delays.sort((a, b) => a - b)[3]).toBeLessThan(150)
  })

  it('ends at once when it is canceled, after_script included only for a graceful cancel', async () => {
    const steps = [script('echo started', 'sleep 300'), afterScript('echo "after $CI_JOB_STATUS"')]
    for (const status of ['canceling', 'canceled'] as const) {
      const job = run([], { steps })
      await runner.memory.said(job.payload.id, 'started\n', deadline())
      const startedAt = Date.now()
      runner.memory.set(job.payload.id, status)
      const update = await job.finished
      expect(update.failure_reason).toBe('job_canceled')
      expect(await gone(job)).toBe(true)
      expect(Date.now() - startedAt).toBeLessThan(8_000)
      if (status === 'canceling') expect(text(job)).toContain('after canceled\n')
      else expect(text(job)).not.toContain('after canceled')
    }
  })

  it('kills what ignores SIGTERM', async () => {
    const job = run([`sh -c 'trap "" TERM; echo deaf; while :; do sleep 1; done'`])
    await runner.memory.said(job.payload.id, 'deaf\n', deadline())
    runner.memory.set(job.payload.id, 'canceled')
    await job.finished
    expect(await gone(job)).toBe(true)
  })

  it('ends at its timeout', async () => {
    const job = run(['sleep 300'], { runner_info: { uuid: '', timeout: 3 } })
    expect(await job.finished).toMatchObject({ failure_reason: 'job_execution_timeout' })
    expect(text(job)).toContain('ERROR: Job failed: execution took longer than 3s seconds')
    expect(await gone(job)).toBe(true)
  })

  it('says what is wrong with an image that is not there, and with one that has no shell', async () => {
    const missing = run(['true'], { image: { name: 'no-such-image:1' } })
    expect(await missing.finished).toMatchObject({ failure_reason: 'image_pull_failure' })
    expect(text(missing)).toContain(
      'failed to pull image "no-such-image:1" with specified policies',
    )
    const shellless = run(['true'], { image: { name: image, entrypoint: ['/no/such/program'] } })
    expect(await shellless.finished).toMatchObject({ failure_reason: 'script_failure' })
    expect(text(shellless)).toContain("can't run a script")
  })

  it('fails with git’s words when the commit is gone', async () => {
    const job = run(['true'])
    job.payload.git_info.sha = 'f'.repeat(40)
    expect(await job.finished).toMatchObject({ failure_reason: 'runner_system_failure' })
    expect(text(job)).toContain('getting the sources failed')
    expect(text(job)).not.toContain('glcbt-job-token')
  })
})

describe('services of a job', () => {
  it('are found by their aliases, get public variables only, and run unprivileged', async () => {
    const job = run(
      ['wget -q -O - http://web:8080/env', 'wget -q -O - http://slipway-test:8080/env'],
      {
        services: [
          {
            name: image,
            alias: 'web slipway-test',
            command: ['sh', '-c', 'env > /tmp/env; id -u; httpd -f -p 8080 -h /tmp'],
            variables: [variable('HEALTHCHECK_TCP_PORT', '8080'), variable('OWN', 'is $COLOR')],
          },
        ],
        variables: [variable('COLOR', 'blue'), variable('HIDDEN', 'private', { public: false })],
      },
    )
    expect((await job.finished).state, text(job)).toBe('success')
    expect(text(job)).toContain('OWN=is blue')
    expect(text(job)).not.toContain('HIDDEN=private')
    expect(text(job)).not.toContain('privileged')
  })

  it('are a warning with their log when they never listen or end, and the job goes on', async () => {
    const service = (command: string) => ({
      name: image,
      command: ['sh', '-c', command],
      variables: [variable('HEALTHCHECK_TCP_PORT', '8080')],
    })
    const job = run(['echo went on'], {
      services: [service('echo I sleep; sleep 300'), service('echo I die; exit 3')],
    })
    expect((await job.finished).state, text(job)).toBe('success')
    expect(text(job)).toContain("probably didn't start properly")
    expect(text(job)).toContain('no answer on port 8080')
    expect(text(job)).toContain('I sleep\n')
    expect(text(job)).toContain('ended with exit code 3')
    expect(text(job)).toContain('I die\n')
    expect(text(job)).toContain('went on\n')
  })

  it('end the job when their image is missing', async () => {
    const job = run(['true'], { services: [{ name: 'no-such-service:1' }] })
    expect(await job.finished).toMatchObject({ failure_reason: 'image_pull_failure' })
  })
})

describe('a runner', () => {
  it('takes no more log than its limit, and still says how the job ended', async () => {
    const job = run(['head -c 200000 /dev/zero | tr "\\0" x; echo'])
    expect(await job.finished).toMatchObject({ output: outputOf(job.trace) })
    expect(job.trace.length).toBeLessThan(66 * 1024)
    expect(text(job)).toContain("Job's log exceeded limit of 65536 bytes.")
    expect(text(job).endsWith('Job succeeded\x1b[0;m\n')).toBe(true)
  })

  it('ends its jobs and cleans up when it stops', async () => {
    const other = await startTestRunner(engine, { config: { stopGraceMs: 500 } })
    const job = other.add(['echo started', 'sleep 300'], { image: { name: image } })
    await other.memory.said(job.payload.id, 'started\n', deadline())
    await other.stop()
    expect((await job.finished).failure_reason).toBe('runner_interrupted')
    expect(await other.leftovers()).toEqual([])
    await other.close()
  })

  it('removes at its start what a killed one left, and nothing of others', async () => {
    const labels = { 'slipway.instance': runner.instanceId, 'slipway.kind': 'job' }
    const stray = { ...labels, 'slipway.run': 'job0-stray', 'slipway.job': '0' }
    const name = `slipway-test-stray-${process.pid}`
    await engine.createNetwork(name, stray)
    await engine.createVolume(name, stray)
    const id = await engine.create({
      name,
      image,
      network: name,
      labels: stray,
      command: ['sleep', '60'],
    })
    await engine.start(id)
    const job = run(['echo busy', 'sleep 2'])
    await runner.memory.said(job.payload.id, 'busy\n', deadline())
    expect(await runner.runner.cleanup()).toBe(3)
    expect((await job.finished).state).toBe('success')
  })
})
