import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { extract } from 'tar-stream'
import type { Engine, ImageInfo } from '../engine/index.ts'
import { messageOf } from '../lib/index.ts'
import type { JobImage } from '../protocol/index.ts'
import { archiveOf } from './archive.ts'
import { unless } from './control.ts'
import { safe } from './format.ts'
import {
  innerEngineConfiguration,
  innerEngineEnvironment,
  innerEngineFiles,
} from './inner-engine.ts'
import type { JobRun } from './job.ts'
import { JobFailure } from './outcome.ts'
import { matchesImage, serviceAliases } from './references.ts'
import { environmentOf, expandWith, type Variables, withVariables } from './variables.ts'

export interface RunningService {
  readonly id: string
  /** Name on the job's network. */
  readonly host: string
  readonly shown: string
  readonly ports: readonly string[]
}

const maxPorts = 20
const shownLogBytes = 16 * 1024
const shownLogLines = 50

/** Starts all services side by side and waits until each listens; one that never does is a warning, as in GitLab. */
export async function startServices(run: JobRun): Promise<RunningService[]> {
  const { services } = run.payload
  if (services.length === 0) return []
  const taken = new Set<string>()
  const aliases = services.map(service => {
    const all = serviceAliases(run.images.nameOf(service), service.alias)
    const free = all.filter(alias => !taken.has(alias))
    for (const alias of free) taken.add(alias)
    return free
  })
  const started = await Promise.all(
    services.map((service, index) => startService(run, service, index, aliases[index] ?? [])),
  )
  const seconds = Math.round(run.config.serviceWaitMs / 1000)
  run.trace.plain(`Waiting for services to be up and running (timeout ${seconds} seconds)...`)
  await Promise.all(started.map(service => waitFor(run, service)))
  return started
}

/** A service that died is a likely reason for a script that failed: says which did and what it printed last. */
export async function explainDeadServices(run: JobRun, services: RunningService[]): Promise<void> {
  for (const service of services) {
    const state = await run.engine.inspect(service.id)
    if (state?.status === 'exited')
      await warn(run, service, `the service ended with exit code ${state.exitCode}`)
  }
}

async function startService(
  run: JobRun,
  service: JobImage,
  index: number,
  aliases: string[],
): Promise<RunningService> {
  const { sandbox, trace } = run
  const name = run.images.nameOf(service)
  const shown = safe(name)
  trace.plain(`Starting service ${shown}...`)
  const allowedBy = run.config.privilegedServices.find(pattern => matchesImage(name, pattern))
  const image = await unless(run.control.job, run.images.get(service))
  const isInnerEngine = allowedBy !== undefined && exposes(image, [2375, 2376])
  if (allowedBy !== undefined)
    trace.plain(`Service ${shown} runs privileged: this runner allows it for ${allowedBy}`)
  const command = service.command?.map(word => expandWith(word, run.variables))
  const entrypoint = service.entrypoint?.map(word => expandWith(word, run.variables))
  const role = `service-${index}`
  const id = await sandbox.create({
    role,
    image,
    environment: {
      ...(isInnerEngine ? innerEngineEnvironment() : {}),
      ...environmentOf(serviceVariables(run, service)),
    },
    entrypoint,
    command,
    aliases,
    privileged: allowedBy !== undefined,
    tmpfs:
      isInnerEngine && run.config.innerEngineStorage === 'memory'
        ? { '/var/lib/docker': 'rw,exec,suid,dev' }
        : undefined,
  })
  if (isInnerEngine)
    await configureInnerEngine(run, id, [...(entrypoint ?? []), ...(command ?? [])])
  await unless(run.control.job, startOrExplain(run, id, shown))
  const ports = portsOf(image, serviceVariables(run, service))
  return { id, host: sandbox.name(role), shown, ports }
}

/** Services see the job's public variables and their own. */
function serviceVariables(run: JobRun, service: JobImage): Variables {
  const open = new Map([...run.variables].filter(([, variable]) => variable.public))
  return withVariables(open, service.variables, run.projectDir)
}

async function startOrExplain(run: JobRun, id: string, shown: string): Promise<void> {
  try {
    await run.sandbox.start(id)
  } catch (error) {
    throw new JobFailure(
      'runner_system_failure',
      `service ${shown} can't be started: ${messageOf(error)}`,
      { hint: "Check the service's `entrypoint:` and `command:`." },
    )
  }
}

async function configureInnerEngine(run: JobRun, id: string, command: string[]): Promise<void> {
  const [dnsAddress, existing] = await Promise.all([
    run.sandbox.helperAddress(),
    readFileOf(run.engine, id, innerEngineConfiguration),
  ])
  const trusted = run.platform.names.length > 0
  const files = innerEngineFiles({ dnsAddress, trusted, command, existing })
  await run.engine.putArchive(id, '/', await archiveOf(files))
}

async function readFileOf(engine: Engine, id: string, path: string): Promise<string | undefined> {
  const archive = await engine.getArchive(id, path).catch(() => undefined)
  if (archive === undefined) return undefined
  const entries = Readable.from(archive).pipe(extract())
  for await (const entry of entries) return await text(entry)
  return undefined
}

function portsOf(image: ImageInfo, variables: Variables): string[] {
  const chosen = variables.get('HEALTHCHECK_TCP_PORT')?.value
  if (chosen !== undefined && /^\d{1,5}$/.test(chosen)) return [chosen]
  const ports = image.exposedPorts
    .filter(port => !port.endsWith('/udp'))
    .map(port => parseInt(port, 10))
  return ports
    .sort((a, b) => a - b)
    .slice(0, maxPorts)
    .map(String)
}

function exposes(image: ImageInfo, ports: number[]): boolean {
  return image.exposedPorts.some(port => ports.includes(parseInt(port, 10)))
}

/** Without an exposed port there is nothing to wait for. */
async function waitFor(run: JobRun, service: RunningService): Promise<void> {
  if (service.ports.length === 0) return
  const waiting = new AbortController()
  const signal = AbortSignal.any([waiting.signal, run.control.job])
  const ended = run.engine
    .wait(service.id, signal)
    .then(({ exitCode }) => `the service ended with exit code ${exitCode}`)
  ended.catch(() => {})
  const trouble = await unless(run.control.job, Promise.race([dial(run, service), ended])).finally(
    () => waiting.abort(),
  )
  if (trouble !== undefined) await warn(run, service, trouble)
}

/** Undefined when one of the ports accepts, else the reason why none does. */
async function dial(run: JobRun, service: RunningService): Promise<string | undefined> {
  const timeoutMs = String(run.config.serviceWaitMs)
  const handle = await run.engine.exec(await run.sandbox.helper, {
    command: ['node', '/slipway/wait.js', service.host, timeoutMs, ...service.ports],
  })
  let said = ''
  for await (const chunk of handle.output) said += Buffer.from(chunk.bytes).toString()
  if ((await handle.exitCode()) === 0) return undefined
  return `no answer on port ${service.ports.join(' or ')} in time: ${safe(said)}`
}

async function warn(run: JobRun, service: RunningService, trouble: string): Promise<void> {
  const yellow = (text: string) => `\x1b[0;33m${text}\x1b[0;m`
  run.trace.text(
    `\n${yellow('*** WARNING:')} Service ${service.shown} probably didn't start properly.\n\nHealth check error:\n${trouble}\n\nService container logs:\n`,
  )
  const stream = run.trace.stream()
  let rest = shownLogBytes
  for await (const chunk of run.engine.logs(service.id, { follow: false, tail: shownLogLines })) {
    const bytes = chunk.bytes.subarray(0, rest)
    rest -= bytes.length
    await stream.write(bytes)
  }
  stream.end()
  run.trace.text(`\n${yellow('*********')}\n\n`)
}
