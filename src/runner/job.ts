import type { Engine } from '../engine/index.ts'
import { type Clock, type Logger, messageOf } from '../lib/index.ts'
import { createMasker } from '../logs/index.ts'
import type { JobImage, JobPayload, JobUpdate } from '../protocol/index.ts'
import { type Build, restart, runStage, startBuild } from './build.ts'
import { type Control, createControl, unless } from './control.ts'
import * as format from './format.ts'
import { finishSources, startSources } from './get-sources.ts'
import { createImages, type Images } from './images.ts'
import type { Platform, RunnerConfig, RunnerOptions } from './options.ts'
import { JobFailure, jobFailureOf, statusOf, timedOut } from './outcome.ts'
import { Sandbox } from './sandbox.ts'
import { explainDeadServices, startServices } from './services.ts'
import { Trace } from './trace.ts'
import {
  maskedValues,
  projectDirectory,
  resolveVariables,
  type Variables,
  withVariables,
} from './variables.ts'

/** One run of one job, with everything that its stages need. */
export interface JobRun {
  readonly payload: JobPayload
  readonly engine: Engine
  readonly platform: Platform
  readonly config: RunnerConfig
  readonly version: string
  readonly control: Control
  readonly sandbox: Sandbox
  readonly trace: Trace
  readonly image: JobImage
  readonly images: Images
  readonly variables: Variables
  readonly projectDir: string
  readonly hostname: string
  readonly clock: Clock
  readonly log: Logger
}

export interface JobOptions {
  readonly runner: RunnerOptions
  readonly config: RunnerConfig
  readonly payload: JobPayload
  /** Unique among all runs. */
  readonly runId: string
  /** The smallest number that no other running job has. */
  readonly concurrentId: number
  readonly shortToken: string
  /** Aborts when the runner stops. */
  readonly shutdown: AbortSignal
}

const finalUpdateAttempts = 10

/** Runs the job and reports its end to the server. Resolves with what is left to do then: removing everything it had on the engine. */
export async function runJob(options: JobOptions): Promise<{ close(): Promise<void> }> {
  const run = prepareRun(options)
  const failure = await runStages(run).then(
    () => undefined,
    error => jobFailureOf(run.control.job.aborted ? run.control.job.reason : error),
  )
  run.control.release()
  await report(options, run, failure)
  return run.sandbox
}

/** Asks the engine for the job's network before anything else: that is what takes time. */
function prepareRun(options: JobOptions): JobRun {
  const { runner, config, payload, runId, concurrentId, shortToken } = options
  const { engine, platform, clock, log, version, coordinator } = runner
  const { instanceId, helperImage } = runner
  const jobId = payload.id
  const sandbox = new Sandbox({
    ...{ engine, platform, config, log, instanceId, jobId, runId, helperImage },
  })
  const image = payload.image ?? { name: config.image }
  const projectDir = projectDirectory(payload)
  const variables = withVariables(
    resolveVariables(payload, {
      ...{ projectDir, concurrentId, shortToken, version },
      architecture: 'amd64',
      image: image.name,
    }),
    image.variables,
    projectDir,
  )
  const control = createControl(coordinator, payload, options.shutdown, clock)
  const secrets = [
    ...maskedValues(variables),
    payload.token,
    ...payload.credentials.map(one => one.password),
  ]
  const trace = new Trace({
    ...{ coordinator, jobId, clock, log },
    token: payload.token,
    newMasker: () => createMasker(secrets),
    limitBytes: config.logLimitBytes,
    sections: payload.features.trace_sections,
    onStatus: control.onStatus,
    onLost: error =>
      control.abort(
        new JobFailure(
          'runner_system_failure',
          `the server can't take the log: ${messageOf(error)}`,
        ),
      ),
  })
  const images = createImages({
    ...{ engine, payload, variables, trace },
    pullImage: runner.pullImage,
    policies: config.pullPolicies,
    signal: control.job,
    now: clock.now,
  })
  const hostname = `runner-${shortToken}-project-${payload.job_info.project_id}-concurrent-${concurrentId}`
  return {
    ...{ payload, engine, platform, config, version, control, sandbox, trace, image, images },
    ...{ variables, projectDir, clock, log },
    hostname: hostname
      .toLowerCase()
      .replace(/[^a-z0-9-]/g, '-')
      .slice(0, 63),
  }
}

/** GitLab's stages in GitLab's order (runner-protocol §11). What can start early does: sources, services and the build container side by side. */
async function runStages(run: JobRun): Promise<void> {
  const { trace, config, control } = run
  const name = run.images.nameOf(run.image)
  trace.plain(`Running with slipway-runner ${run.version}`)
  trace.plain(`  on ${config.name}`)
  warnOfMissing(run)
  const sources = startSources(run)
  sources.catch(() => {})
  const { starting, services } = await trace.section(
    'prepare_executor',
    'Preparing the "docker" executor',
    async () => {
      trace.plain(`Using Docker executor with image ${format.safe(name)} ...`)
      const starting = startBuild(run)
      starting.catch(() => {})
      const services = await unless(control.script, startServices(run))
      await unless(control.script, run.images.get(run.image))
      return { starting, services }
    },
  )
  await trace.section('prepare_script', 'Preparing environment', async () => {
    trace.plain(`Running on ${run.hostname} via ${config.name}...`)
  })
  await trace.section('get_sources', 'Getting source from Git repository', () =>
    finishSources(run, sources),
  )
  const build = await unless(control.script, starting)
  const failure = await attempt(() => runScripts(run, build))
  if (failure === undefined) return
  if (failure.reason === 'script_failure') await explainDeadServices(run, services)
  throw failure
}

/** What this runner doesn't do yet is said, not passed over. */
function warnOfMissing(run: JobRun): void {
  const { artifacts, cache, dependencies } = run.payload
  const missing = [
    ...(artifacts?.length ? ['artifacts are not uploaded'] : []),
    ...(cache.length > 0 ? ['caches are neither restored nor saved'] : []),
    ...(dependencies.some(one => one.artifacts_file) ? ['artifacts are not downloaded'] : []),
  ]
  for (const what of missing) run.trace.warning(`this runner can't do that yet: ${what}`)
}

/** The script, then `after_script` whatever became of it, unless the whole job is at its end. */
async function runScripts(run: JobRun, build: Build): Promise<void> {
  const { steps } = run.payload
  let failure: JobFailure | undefined
  let current: Build | undefined = build
  for (const step of steps.filter(one => one.name !== 'after_script')) {
    const name = `step_${step.name}`
    const headline = `Executing "${name}" stage of the job script`
    failure = await attempt(() =>
      run.trace.section(name, headline, async () => {
        current ??= await restart(run, build)
        const ready = current
        current = undefined
        await withTimeout(run, 'RUNNER_SCRIPT_TIMEOUT', run.control.script, undefined, signal =>
          runStage(run, ready, { commands: step.script, variables: run.variables, signal }),
        )
      }),
    )
    if (failure !== undefined) break
  }
  if (run.control.job.aborted) throw run.control.job.reason
  if (failure?.reason === 'job_canceled') run.trace.warning('script canceled externally (UI, API)')
  const after = steps.find(one => one.name === 'after_script')
  if (after !== undefined && after.script.length > 0) {
    const ready = current
    const afterFailure = await attempt(() =>
      run.trace.section('after_script', 'Running after_script', async () =>
        runAfterScript(run, ready ?? (await restart(run, build)), after.script, failure),
      ),
    )
    if (run.control.job.aborted) throw run.control.job.reason
    if (afterFailure !== undefined)
      run.trace.warning(
        `after_script failed, but job will continue unaffected: ${afterFailure.message}`,
      )
  }
  if (failure !== undefined) throw failure
}

function runAfterScript(
  run: JobRun,
  build: Build,
  commands: readonly string[],
  failure: JobFailure | undefined,
): Promise<void> {
  run.trace.info('Running after script...')
  const status = { public: true, masked: false, raw: true }
  const variables = withVariables(
    run.variables,
    [{ key: 'CI_JOB_STATUS', value: statusOf(failure), ...status }],
    run.projectDir,
  )
  return withTimeout(run, 'RUNNER_AFTER_SCRIPT_TIMEOUT', run.control.job, 300, signal =>
    runStage(run, build, { commands, variables, signal }),
  )
}

/** Runs a stage with the time limit that a variable sets (a Go duration). */
async function withTimeout<T>(
  run: JobRun,
  key: string,
  signal: AbortSignal,
  fallbackSeconds: number | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const seconds = secondsOf(run.variables.get(key)?.value) ?? fallbackSeconds
  if (seconds === undefined) return work(signal)
  const expired = new AbortController()
  const finished = new AbortController()
  run.clock.sleep(seconds * 1000, finished.signal).then(
    () => expired.abort(timedOut(seconds)),
    () => {},
  )
  try {
    return await work(AbortSignal.any([signal, expired.signal]))
  } finally {
    finished.abort()
  }
}

/** `1h5m30s` → 3930; undefined for what isn't a positive duration. */
export function secondsOf(text: string | undefined): number | undefined {
  const parts = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text ?? '')
  if (!text || parts === null) return undefined
  const [hours, minutes, seconds] = [1, 2, 3].map(index => Number(parts[index] ?? 0))
  return hours! * 3600 + minutes! * 60 + seconds! || undefined
}

async function attempt(work: () => Promise<void>): Promise<JobFailure | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    return jobFailureOf(error)
  }
}

/** The last line, the rest of the log, then the final state; tried again while the server can't be reached. */
async function report(
  options: JobOptions,
  run: JobRun,
  failure: JobFailure | undefined,
): Promise<void> {
  const { coordinator, clock, log } = options.runner
  const { id, token } = options.payload
  const output = await run.trace.finish(lastLines(failure))
  const update: JobUpdate =
    failure === undefined
      ? { token, state: 'success', exit_code: 0, output }
      : {
          ...{ token, output },
          state: 'failed',
          failure_reason: failure.reason,
          exit_code: failure.exitCode,
        }
  for (let attempt = 1; attempt <= finalUpdateAttempts; attempt++) {
    try {
      await coordinator.updateJob(id, update)
      return
    } catch (error) {
      log.error({ jobId: id, error: messageOf(error) }, 'could not report the end of a job')
      await clock.sleep(Math.min(10_000, 100 * 2 ** attempt)).catch(() => {})
    }
  }
}

function lastLines(failure: JobFailure | undefined): string {
  if (failure === undefined) return format.info('Job succeeded')
  const system = failure.reason === 'runner_system_failure' ? ' (system failure)' : ''
  const hint = failure.hint === undefined ? '' : format.plain(failure.hint)
  return `${hint}${format.error(`Job failed${system}: ${format.safe(failure.message)}`)}`
}
