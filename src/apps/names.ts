import { Failure, type Random } from '../lib/index.ts'

/** Heroku's rule. */
const appName = /^[a-z][a-z0-9-]{1,28}[a-z0-9]$/
const typeName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,61}$/

/** They are, or may become, names of the platform itself below the same domain. */
const reserved = new Set(['api', 'git', 'registry', 'www', 'console', 'slipway', 'localhost'])

/** Throws `Failure('invalid')`. */
export function checkAppName(name: string): void {
  const problem = !appName.test(name)
    ? 'must start with a letter, end with a letter or digit, and have 3 to 30 lowercase letters, digits and dashes'
    : reserved.has(name)
      ? 'is reserved'
      : undefined
  if (problem) throw new Failure('invalid', `Name ${problem}`, { details: { name: [problem] } })
}

export function nameTaken(name: string): Failure {
  return new Failure('invalid', `Name ${name} is already taken`, {
    details: { name: ['is already taken'] },
  })
}

/** Throws `Failure('invalid')`. */
export function checkType(type: string): void {
  if (!typeName.test(type))
    throw new Failure(
      'invalid',
      `${JSON.stringify(type)} is not a process type: use letters, digits, dashes and underscores`,
      { details: { type: ['is invalid'] } },
    )
}

const qualities =
  'amber brisk calm clear cosy dewy early fair fleet gentle golden keen lively lunar mellow misty nimble open patient plain quick quiet rapid serene silent solar spry steady still sunny swift tidal vivid warm wild young'.split(
    ' ',
  )
const things =
  'anchor basin bay beacon boat brook buoy canal cliff coast cove creek current delta dock dune fjord gull harbor heron inlet island jetty keel lagoon lantern mast oar pier quay reef river sail shore slip sound strait tide wave wharf'.split(
    ' ',
  )

/** A name such as `quiet-harbor-48213`. */
export function randomAppName(random: Random): string {
  const bytes = Buffer.from(random.bytes(8))
  const quality = qualities[bytes.readUInt16BE(0) % qualities.length]
  const thing = things[bytes.readUInt16BE(2) % things.length]
  return `${quality}-${thing}-${10_000 + (bytes.readUInt32BE(4) % 90_000)}`
}
