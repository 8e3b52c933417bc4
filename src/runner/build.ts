import type { Attachment } from '../engine/index.ts'
import { Failure, messageOf } from '../lib/index.ts'
import { unless } from './control.ts'
import { safe } from './format.ts'
import type { JobRun } from './job.ts'
import { JobFailure } from './outcome.ts'
import { matchesImage } from './references.ts'
import { shellDetector, stageScript, terminateAll } from './script.ts'
import { environmentOf, type Variables } from './variables.ts'

/** The container in which the user's script runs. It is restarted for each stage, so what a stage leaves in it is there in the next. */
export interface Build {
  readonly id: string
  /** A shell that waits for its script on standard input. */
  readonly shell: Attachment
}

export interface Stage {
  readonly commands: readonly string[]
  readonly variables: Variables
  /** Ends the stage: SIGTERM, then SIGKILL. */
  readonly signal: AbortSignal
}

/** Creates the container and starts its shell ahead of time: it has nothing to do before it gets the script. */
export async function startBuild(run: JobRun): Promise<Build> {
  const { image: wanted, config, sandbox, images } = run
  const name = images.nameOf(wanted)
  const image = await images.get(wanted)
  const allowedBy = config.privilegedImages.find(pattern => matchesImage(name, pattern))
  if (allowedBy !== undefined)
    run.trace.plain(`Image ${safe(name)} runs privileged: this runner allows it for ${allowedBy}`)
  const id = await sandbox.create({
    role: 'build',
    image,
    environment: environmentOf(run.variables),
    entrypoint: wanted.entrypoint,
    command: ['sh', '-c', shellDetector],
    aliases: ['build'],
    hostname: run.hostname,
    privileged: allowedBy !== undefined,
    stdin: true,
  })
  return { id, shell: await startShell(run, id, name) }
}

/** Runs one stage to its end. Rejects with a `JobFailure` for an exit code that isn't 0, or with the signal's reason. */
export async function runStage(run: JobRun, build: Build, stage: Stage): Promise<void> {
  const { engine, projectDir } = run
  const { commands, variables, signal } = stage
  const script = stageScript({ variables, projectDir, commands })
  const output = [run.trace.stream(), run.trace.stream()] as const
  const ended = async () => {
    await build.shell.write(Buffer.from(script))
    build.shell.end()
    for await (const { stream, bytes } of build.shell.output)
      await output[stream === 'stdout' ? 0 : 1].write(bytes)
    return engine.wait(build.id)
  }
  const status = await unless(signal, ended())
    .catch(async error => {
      if (signal.aborted) await terminate(run, build.id)
      throw signal.aborted ? signal.reason : error
    })
    .finally(() => {
      for (const stream of output) stream.end()
    })
  if (status.exitCode === 0) return
  const limit = status.outOfMemory ? ' (out of memory)' : ''
  throw new JobFailure('script_failure', `exit code ${status.exitCode}${limit}`, {
    exitCode: status.exitCode,
    hint: status.outOfMemory
      ? 'The engine ended a process of the job because it used more memory than there is for it.'
      : undefined,
  })
}

/** The same container again, for the next stage. */
export async function restart(run: JobRun, build: Build): Promise<Build> {
  return { id: build.id, shell: await startShell(run, build.id, run.images.nameOf(run.image)) }
}

async function startShell(run: JobRun, id: string, image: string): Promise<Attachment> {
  const shell = await run.engine.attach(id)
  try {
    await run.sandbox.start(id)
  } catch (error) {
    if (error instanceof Failure && error.code === 'unavailable') throw error
    throw new JobFailure(
      'script_failure',
      `image ${safe(image)} can't run a script: ${safe(messageOf(error))}`,
      {
        hint: 'Scripts need a shell (sh or bash) in the image, and an entrypoint that runs the command it is given: set `image:entrypoint: [""]` to leave it out.',
      },
    )
  }
  return shell
}

/** The shell itself ignores SIGTERM while it waits for a command, so the commands get theirs first. */
async function terminate(run: JobRun, id: string): Promise<void> {
  const { engine, config, log } = run
  try {
    await engine.exec(id, { command: terminateAll })
    await engine.stop(id, config.stopGraceMs)
  } catch (error) {
    log.debug({ error: messageOf(error) }, 'the build container could not be stopped in order')
  }
}
