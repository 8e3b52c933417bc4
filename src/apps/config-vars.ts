import { Failure } from '../lib/index.ts'

const maxNameBytes = 256
/** A process's environment string may have 128 KiB on Linux. */
const maxValueBytes = 64 * 1024
const maxTotalBytes = 1024 * 1024

export interface ConfigChange {
  config: Record<string, string>
  set: string[]
  removed: string[]
}

/**
 * Applies a change, where `null` deletes. Values are kept exactly. Throws `Failure('invalid')` for what no process environment can hold:
 * an empty name, `=` in a name, NUL, more than 64 KiB a value or 1 MiB in all.
 */
export function changeConfig(
  before: Readonly<Record<string, string>>,
  change: Readonly<Record<string, string | null>>,
): ConfigChange {
  const config = new Map(Object.entries(before))
  const set: string[] = []
  const removed: string[] = []
  for (const [name, value] of Object.entries(change)) {
    checkName(name)
    if (value === null) {
      if (config.delete(name)) removed.push(name)
    } else {
      checkValue(name, value)
      if (config.get(name) !== value) set.push(name)
      config.set(name, value)
    }
  }
  let total = 0
  for (const [name, value] of config) total += Buffer.byteLength(name) + Buffer.byteLength(value)
  if (total > maxTotalBytes)
    throw bad('', `The config vars of an app may have ${maxTotalBytes} bytes in all.`)
  return { config: Object.fromEntries(config), set, removed }
}

/** Heroku's words: `Set FOO, BAR config vars`. */
export function describeConfigChange({ set, removed }: ConfigChange): string {
  const parts: string[] = []
  if (set.length > 0) parts.push(`Set ${set.join(', ')} config vars`)
  if (removed.length > 0) parts.push(`Remove ${removed.join(', ')} config vars`)
  return parts.join(', ')
}

function checkName(name: string): void {
  if (name === '') throw bad(name, 'A config var needs a name.')
  if (/[=\0]/.test(name))
    throw bad(name, `The config var ${JSON.stringify(name)} has = or NUL in its name.`)
  if (Buffer.byteLength(name) > maxNameBytes)
    throw bad(name, `The name of a config var may have ${maxNameBytes} bytes.`)
}

function checkValue(name: string, value: unknown): void {
  if (typeof value !== 'string')
    throw bad(name, `The config var ${name} must be text, or null to remove it.`)
  if (value.includes('\0'))
    throw bad(
      name,
      `The value of ${name} has a NUL character: no process environment can hold one.`,
    )
  if (Buffer.byteLength(value) > maxValueBytes)
    throw bad(name, `The value of ${name} is longer than ${maxValueBytes} bytes.`)
}

function bad(name: string, message: string): Failure {
  return new Failure('invalid', message, { details: { [name || 'config']: [message] } })
}
