import type { Release, ReleaseImage } from './index.ts'

/**
 * One release on its way. Only `pending`, `succeeded` and `failed` are stored; the steps of a pending one can be done again from the start,
 * because each finds what an earlier attempt left. `switched` is stored together with the pointer to the current release.
 */
export type ReleaseStep = 'recorded' | 'pulled' | 'booted' | 'succeeded' | 'failed'

export type ReleaseEvent =
  | 'pull-done'
  | 'boot-done'
  | 'switch-done'
  | 'broke'
  | 'superseded'
  | 'restarted'

/** `(step, event) → step`. What isn't in the table leaves the step as it is. */
const table: Readonly<Record<ReleaseStep, Partial<Record<ReleaseEvent, ReleaseStep>>>> = {
  recorded: { 'pull-done': 'pulled', broke: 'failed', superseded: 'failed' },
  pulled: { 'boot-done': 'booted', broke: 'failed', restarted: 'recorded' },
  booted: { 'switch-done': 'succeeded', broke: 'failed', restarted: 'recorded' },
  succeeded: {},
  failed: {},
}

export function nextStep(step: ReleaseStep, event: ReleaseEvent): ReleaseStep {
  return table[step][event] ?? step
}

export function statusOf(step: ReleaseStep): Release['status'] {
  return step === 'succeeded' || step === 'failed' ? step : 'pending'
}

/**
 * Of several releases that wait, only the newest runs: it holds the changes of those before it. What becomes of the others: with the same
 * images they are part of it and share its end; with other images they were never tried.
 */
export function supersede(pending: readonly Release[]): {
  run: Release | undefined
  joined: Release[]
  dropped: Release[]
} {
  const run = pending.at(-1)
  const others = pending.slice(0, -1)
  const isPart = (one: Release) => run !== undefined && sameImages(one.images, run.images)
  return { run, joined: others.filter(isPart), dropped: others.filter(one => !isPart(one)) }
}

export function sameImages(
  a: Readonly<Record<string, ReleaseImage>>,
  b: Readonly<Record<string, ReleaseImage>>,
): boolean {
  const types = Object.keys(a)
  return (
    types.length === Object.keys(b).length &&
    types.every(type => Object.hasOwn(b, type) && a[type]!.digest === b[type]!.digest)
  )
}

/** Heroku's words: `Deployed web (142013fe2b5c), worker (…)`. */
export function describeImages(
  images: readonly { type: string; image: ReleaseImage | null }[],
): string {
  const deployed = images.flatMap(({ type, image }) =>
    image ? [`${type} (${image.configDigest.replace(/^sha256:/, '').slice(0, 12)})`] : [],
  )
  const removed = images.flatMap(({ type, image }) => (image ? [] : [type]))
  const parts: string[] = []
  if (deployed.length > 0) parts.push(`Deployed ${deployed.join(', ')}`)
  if (removed.length > 0) parts.push(`Removed ${removed.join(', ')}`)
  return parts.join(', ')
}

/** The images that the next release starts from: those of the newest release that hasn't failed. */
export function newestStanding(releases: readonly Release[]): Release | undefined {
  return releases.findLast(one => one.status !== 'failed')
}
