import { Failure, Gate, messageOf } from '../lib/index.ts'
import type { JobPayload, JobRequest } from '../protocol/index.ts'
import { runJob } from './job.ts'
import { defaultConfig, type RunnerConfig, type RunnerOptions } from './options.ts'
import { kindLabel, removeEverything } from './sandbox.ts'

export interface Runner {
  /** Takes and runs jobs until the signal aborts; then ends those that run (`runner_interrupted`), cleans up, and resolves. */
  run(signal: AbortSignal): Promise<void>
  /** Removes what jobs of this instance left on the engine, such as after `kill -9`; jobs that run now keep theirs. Returns how many things it removed. */
  cleanup(): Promise<number>
}

const maxPauseMs = 30_000
const cleanupAttemptsAtTheEnd = 3

export function createRunner(options: RunnerOptions): Runner {
  const config: RunnerConfig = { ...defaultConfig, ...options.config }
  const state: State = { slots: new Map(), runs: new Set(), work: new Set(), changed: new Gate() }
  const cleanup = () => removeLeftovers(options, state)
  return {
    cleanup,
    async run(signal) {
      const { clock, log } = options
      const recovery = retry(options, signal, 'clean up after earlier jobs', cleanup)
      let pauseMs = 500
      while (!signal.aborted) {
        if (state.slots.size >= config.concurrency || state.work.size >= config.concurrency * 2) {
          await state.changed.wait(signal)
          continue
        }
        try {
          const payload = await options.coordinator.requestJob(requestOf(options), signal)
          if (payload) launch(options, config, state, payload, signal)
          pauseMs = 500
        } catch (error) {
          if (signal.aborted) break
          log.error({ error: messageOf(error) }, 'could not ask for a job')
          await clock.sleep(pauseMs, signal).catch(() => {})
          pauseMs = Math.min(maxPauseMs, pauseMs * 2)
        }
      }
      await Promise.all([recovery, ...state.work])
    },
  }
}

interface State {
  /** Running jobs by slot number. */
  readonly slots: Map<number, JobPayload>
  /** Runs whose things on the engine are in use. */
  readonly runs: Set<string>
  /** Jobs from their start to the end of their cleanup. */
  readonly work: Set<Promise<void>>
  readonly changed: Gate
}

function launch(
  options: RunnerOptions,
  config: RunnerConfig,
  state: State,
  payload: JobPayload,
  shutdown: AbortSignal,
): void {
  let slot = 0
  while (state.slots.has(slot)) slot++
  state.slots.set(slot, payload)
  const runId = `job${payload.id}-${Buffer.from(options.random.bytes(4)).toString('hex')}`
  state.runs.add(runId)
  const work = async () => {
    const shortToken = shortTokenOf(options.token.reveal())
    const runner = options
    const sandbox = await runJob({
      ...{ runner, config, payload, runId, shortToken, shutdown, concurrentId: slot },
    }).finally(() => {
      state.slots.delete(slot)
      state.changed.wake()
    })
    await retry(options, shutdown, `clean up after job ${payload.id}`, () => sandbox.close())
  }
  const tracked = work()
    .catch(error => {
      options.log.error({ jobId: payload.id, error: messageOf(error) }, 'a job broke the runner')
    })
    .finally(() => {
      state.runs.delete(runId)
      state.work.delete(tracked)
      state.changed.wake()
    })
  state.work.add(tracked)
}

async function removeLeftovers(options: RunnerOptions, state: State): Promise<number> {
  const labels = { 'slipway.instance': options.instanceId, [kindLabel]: 'job' }
  return removeEverything(
    options.engine,
    labels,
    found => !state.runs.has(found['slipway.run'] ?? ''),
  )
}

/** Until it works; when the runner stops, a few times more and then never: the next start cleans up. */
async function retry(
  options: RunnerOptions,
  signal: AbortSignal,
  what: string,
  work: () => Promise<unknown>,
): Promise<void> {
  const { clock, log } = options
  let left = cleanupAttemptsAtTheEnd
  for (let pauseMs = 500; ; pauseMs = Math.min(maxPauseMs, pauseMs * 2)) {
    try {
      await work()
      return
    } catch (error) {
      log.warn({ error: messageOf(error) }, `could not ${what}`)
      if (signal.aborted && --left === 0) return
      await clock
        .sleep(signal.aborted ? 500 : pauseMs, signal.aborted ? undefined : signal)
        .catch(() => {})
    }
  }
}

function requestOf(options: RunnerOptions): JobRequest {
  return {
    token: options.token.reveal(),
    system_id: options.systemId,
    info: {
      name: 'slipway-runner',
      version: options.version,
      platform: 'linux',
      architecture: 'amd64',
      executor: 'docker',
      shell: 'bash',
      features: {
        ...{ variables: true, image: true, services: true, service_variables: true },
        ...{ service_multiple_aliases: true, refspecs: true, masking: true, raw_variables: true },
        ...{ multi_build_steps: true, return_exit_code: true, cancelable: true },
        ...{ cancel_gracefully: true, trace_checksum: true, trace_size: true },
        ...{ artifacts: false, cache: false, upload_multiple_artifacts: false },
      },
    },
  }
}

/** What may show of a runner's token: the nine characters after its prefix. */
function shortTokenOf(token: string): string {
  const plain = token.replace(/^glrt-(t[123]_)?|^t[123]_|^glrtr-|^GR[0-9A-Fa-f]{7}/, '')
  if (plain === '') throw new Failure('invalid', 'the runner has no token')
  return plain.slice(0, 9)
}
