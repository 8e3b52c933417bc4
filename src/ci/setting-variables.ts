/** CI/CD variables of a project's settings: which are valid, and which a job gets. */
import { Failure } from '../lib/index.ts'
import type { JobVariable } from '../protocol/index.ts'
import type { SettingVariable } from './model.ts'

const maxValueBytes = 10_000
/** GitLab's `Ci::Maskable`: with expansion off, anything without white space can be masked. */
const maskable = /^[A-Za-z0-9_+=/@:.~-]{8,}$/
const maskableRaw = /^\S{8,}$/

/** Throws `Failure('invalid')` with all problems by field, in GitLab's words. */
export function checkSettingVariable(variable: SettingVariable): void {
  const problems: Record<string, string[]> = {}
  const add = (field: string, problem: string) => {
    problems[field] = [...(problems[field] ?? []), problem]
  }
  if (variable.key === '') add('key', "can't be blank")
  else if (variable.key.length > 255) add('key', 'is too long (maximum is 255 characters)')
  if (variable.key !== '' && !/^[A-Za-z0-9_]+$/.test(variable.key)) {
    add('key', "can contain only letters, digits and '_'.")
  }
  if (Buffer.byteLength(variable.value) > maxValueBytes) {
    add('value', `is too long (maximum is ${maxValueBytes} characters)`)
  }
  if (variable.masked && !isMaskable(variable)) add('value', 'is invalid')
  if (variable.hidden && !variable.masked) add('hidden', 'requires a masked variable')
  if (!/^[A-Za-z0-9 _./*${}\\-]{1,255}$/.test(variable.environmentScope)) {
    add(
      'environment_scope',
      "can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', '*', and spaces",
    )
  }
  if (Object.keys(problems).length === 0) return
  throw new Failure('invalid', 'The variable is not valid', {
    details: problems,
    hint: hintFor(problems, variable),
  })
}

function isMaskable(variable: SettingVariable): boolean {
  return (variable.raw ? maskableRaw : maskable).test(variable.value)
}

function hintFor(problems: Record<string, string[]>, variable: SettingVariable): string {
  if (problems['value'] && variable.masked) {
    return 'A masked value needs at least 8 characters on one line, without spaces, made of letters, digits and _ + = / @ : . ~ - (any characters when expansion is off).'
  }
  return 'Correct these fields and send the variable again.'
}

/** Whether an environment is within a scope such as `*`, `production` or `review/*`. */
export function scopeMatches(scope: string, environment: string | undefined): boolean {
  if (scope === '*') return true
  if (environment === undefined) return false
  const parts = scope.split('*')
  if (parts.length === 1) return scope === environment
  if (!environment.startsWith(parts[0]!)) return false
  let at = parts[0]!.length
  for (const part of parts.slice(1, -1)) {
    const found = environment.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  const last = parts[parts.length - 1]!
  return environment.length - last.length >= at && environment.endsWith(last)
}

/** `*` is least specific, then wildcards by the length of what they spell out, then exact names. */
function specificity(scope: string): number {
  if (scope === '*') return -1
  if (!scope.includes('*')) return Number.MAX_SAFE_INTEGER
  return scope.replaceAll('*', '').length
}

/** Those that a job on this ref and environment may see: one a key, the most specific. */
export function visibleSettings(
  settings: readonly SettingVariable[],
  job: { protected: boolean; environment?: string },
): SettingVariable[] {
  const chosen = new Map<string, SettingVariable>()
  for (const variable of settings) {
    if (variable.protected && !job.protected) continue
    if (!scopeMatches(variable.environmentScope, job.environment)) continue
    const rival = chosen.get(variable.key)
    const wins =
      !rival || specificity(variable.environmentScope) > specificity(rival.environmentScope)
    if (wins) chosen.set(variable.key, variable)
  }
  return [...chosen.values()]
}

/** As the runner gets it. */
export function settingAsJobVariable(variable: SettingVariable): JobVariable {
  return {
    key: variable.key,
    value: variable.value,
    public: false,
    masked: variable.masked,
    ...(variable.type === 'file' && { file: true }),
    ...(variable.raw && { raw: true }),
  }
}
