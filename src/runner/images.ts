import type { Engine, ImageInfo, PullProgress } from '../engine/index.ts'
import { Failure, messageOf } from '../lib/index.ts'
import type { JobImage, JobPayload } from '../protocol/index.ts'
import { safe } from './format.ts'
import type { PullPolicy, RunnerOptions } from './options.ts'
import { JobFailure } from './outcome.ts'
import { registryAuth } from './registry-auth.ts'
import type { Trace } from './trace.ts'
import { expandWith, type Variables } from './variables.ts'

export interface ImageSource {
  readonly engine: Engine
  readonly pullImage: RunnerOptions['pullImage']
  readonly policies: readonly PullPolicy[]
  readonly payload: JobPayload
  readonly variables: Variables
  readonly trace: Trace
  readonly signal: AbortSignal
  readonly now: () => number
}

const progressEveryMs = 3_000

/** Gets the job's images, each name once even when several containers use it. */
export function createImages(source: ImageSource) {
  const known = new Map<string, Promise<ImageInfo>>()
  return {
    nameOf: (image: JobImage) => expandWith(image.name, source.variables),
    get(image: JobImage): Promise<ImageInfo> {
      const name = expandWith(image.name, source.variables)
      const policies = policiesOf(image, source.policies)
      const key = `${name} ${policies.join()}`
      const found = known.get(key) ?? obtain(source, name, policies)
      known.set(key, found)
      found.catch(() => {})
      return found
    },
  }
}

export type Images = ReturnType<typeof createImages>

function policiesOf(image: JobImage, fallback: readonly PullPolicy[]): PullPolicy[] {
  const asked = image.pull_policy ?? []
  const unknown = asked.find(one => !['always', 'if-not-present', 'never'].includes(one))
  if (unknown !== undefined)
    throw new JobFailure(
      'runner_configuration_error',
      `unsupported pull_policy "${safe(unknown)}" for image "${safe(image.name)}"`,
      { hint: 'The policies are always, if-not-present and never.' },
    )
  return asked.length > 0 ? (asked as PullPolicy[]) : [...fallback]
}

/** Tries the policies in order; the first that brings the image wins. */
async function obtain(
  source: ImageSource,
  name: string,
  policies: readonly PullPolicy[],
): Promise<ImageInfo> {
  const { engine, trace, signal } = source
  const shown = safe(name)
  if (name === '')
    throw new JobFailure('runner_configuration_error', "the image's name is empty", {
      hint: 'Check the variables in `image:` and `services:`.',
    })
  let reason = ''
  let hint: string | undefined
  for (const policy of policies) {
    if (policy !== 'always') {
      const there = await engine.inspectImage(name)
      if (there && policy === 'if-not-present')
        trace.plain(`Using locally found image version due to "${policy}" pull policy`)
      if (there) return used(source, shown, there)
      reason = 'the image is not on this machine'
      if (policy === 'never') continue
    }
    try {
      return used(source, shown, await pull(source, name))
    } catch (error) {
      if (signal.aborted) throw signal.reason
      reason = messageOf(error)
      if (error instanceof Failure) hint = error.hint
      trace.warning(`Failed to pull image with policy "${policy}": ${safe(reason)}`)
    }
  }
  throw new JobFailure(
    'image_pull_failure',
    `failed to pull image "${shown}" with specified policies [${policies.join(' ')}]: ${safe(reason)}`,
    {
      hint:
        hint ??
        `Check the name "${shown}", that it may be pulled with the job's credentials, and that this machine reaches its registry or has it in the mirror.`,
    },
  )
}

function pull(source: ImageSource, name: string): Promise<ImageInfo> {
  const { trace, now, signal } = source
  const shown = safe(name)
  trace.plain(`Pulling docker image ${shown} ...`)
  let saidAt = now()
  const onProgress = (progress: PullProgress) => {
    if (now() - saidAt < progressEveryMs || progress.layers === 0) return
    saidAt = now()
    const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1)
    trace.plain(
      `  ${shown}: ${progress.layersDone} of ${progress.layers} layers, ${megabytes(progress.bytes)} of ${megabytes(progress.bytesTotal)} MB`,
    )
  }
  const auth = registryAuth(name, source.payload, source.variables)
  return source.pullImage(name, { auth, onProgress, signal })
}

function used(source: ImageSource, shown: string, image: ImageInfo): ImageInfo {
  const digest = image.digests[0] === undefined ? '' : ` with digest ${image.digests[0]}`
  source.trace.plain(`Using docker image ${image.id} for ${shown}${digest} ...`)
  return image
}
