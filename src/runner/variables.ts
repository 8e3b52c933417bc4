import type { JobPayload, JobVariable } from '../protocol/index.ts'

/** A job's variable as the script sees it: expanded, and for a file variable with the file's path as its value. */
export interface ResolvedVariable {
  readonly key: string
  readonly value: string
  /** What is written to the file `value`; only for file variables. */
  readonly content?: string
  readonly public: boolean
  readonly masked: boolean
}

/** What the runner itself knows about a job and tells it by variables. */
export interface RunnerFacts {
  /** `/builds/group/project` */
  readonly projectDir: string
  readonly concurrentId: number
  readonly shortToken: string
  readonly version: string
  readonly architecture: string
  readonly image: string
}

export type Variables = ReadonlyMap<string, ResolvedVariable>

export const buildsDir = '/builds'

/** Where file variables and the runner's own files of a job live: beside the project, never inside. */
export function temporaryDir(projectDir: string): string {
  return `${projectDir}.tmp`
}

/** `/builds/<group/project>`, from the repository's URL as GitLab's runner does it. */
export function projectDirectory(payload: JobPayload): string {
  const path = new URL(payload.git_info.repo_url).pathname.replace(/\.git\/?$/, '')
  const parts = decodeURIComponent(path)
    .split('/')
    .filter(part => part !== '' && part !== '.' && part !== '..')
  return `${buildsDir}/${parts.join('/')}`
}

/**
 * All variables of a job in order of precedence: the runner's defaults, the job's own (the last of a key wins), the runner's facts.
 * Values are expanded once, as GitLab's runner does: the server has resolved chains already, so a loop ends here.
 */
export function resolveVariables(payload: JobPayload, facts: RunnerFacts): Variables {
  const all = new Map<string, JobVariable>()
  for (const variable of defaults(payload, facts)) all.set(variable.key, variable)
  for (const variable of payload.variables) {
    all.delete(variable.key)
    all.set(variable.key, variable)
  }
  for (const variable of additions(facts)) all.set(variable.key, variable)
  const lookup = (key: string) => {
    const variable = all.get(key)
    return variable?.file ? filePath(facts.projectDir, key) : variable?.value
  }
  const resolved = new Map<string, ResolvedVariable>()
  for (const [key, variable] of all)
    resolved.set(
      key,
      resolve(variable, facts.projectDir, value => expand(value, lookup)),
    )
  return resolved
}

/** More variables on top (an image's or a service's own), expanded against those that are there. */
export function withVariables(
  base: Variables,
  more: readonly JobVariable[] | undefined,
  projectDir: string,
): Variables {
  const result = new Map(base)
  for (const variable of more ?? [])
    result.set(
      variable.key,
      resolve(variable, projectDir, value => expandWith(value, base)),
    )
  return result
}

/** Expands `$X`, `${X}` and `$$`; what isn't defined becomes empty. */
export function expandWith(value: string, variables: Variables): string {
  return expand(value, key => variables.get(key)?.value)
}

/** The texts that must never show in the trace, besides credentials. */
export function maskedValues(variables: Variables): string[] {
  const masked = [...variables.values()].filter(variable => variable.masked)
  return masked.flatMap(variable => [variable.content ?? variable.value])
}

/** As an environment for a container. Names that no environment can hold are left out. */
export function environmentOf(variables: Variables): Record<string, string> {
  const environment: Record<string, string> = {}
  for (const { key, value } of variables.values())
    if (key !== '' && !/[=\0]/.test(key)) environment[key] = value.replaceAll('\0', '')
  return environment
}

export function expand(value: string, lookup: (key: string) => string | undefined): string {
  return value.replace(
    /\$(?:\$|\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*)|[*#@!?\-0-9])/g,
    (whole, braced: string | undefined, bare: string | undefined) =>
      whole === '$$' ? '$' : (lookup(braced ?? bare ?? '') ?? ''),
  )
}

function resolve(
  variable: JobVariable,
  projectDir: string,
  expandValue: (value: string) => string,
): ResolvedVariable {
  const { key, masked } = variable
  const value = variable.raw ? variable.value : expandValue(variable.value)
  if (!variable.file) return { key, value, public: variable.public, masked }
  return { key, value: filePath(projectDir, key), content: value, public: variable.public, masked }
}

function filePath(projectDir: string, key: string): string {
  return `${temporaryDir(projectDir)}/${key.replaceAll('/', '_')}`
}

function defaults(payload: JobPayload, facts: RunnerFacts): JobVariable[] {
  return [
    fact('CI_JOB_IMAGE', facts.image),
    fact('CI_RUNNER_SHORT_TOKEN', facts.shortToken),
    fact('CI_BUILDS_DIR', buildsDir),
    fact('CI_PROJECT_DIR', facts.projectDir),
    fact('CI_CONCURRENT_ID', String(facts.concurrentId)),
    fact('CI_CONCURRENT_PROJECT_ID', '0'),
    fact('CI_SERVER', 'yes'),
    fact('CI_JOB_STATUS', 'running'),
    fact('CI_JOB_TIMEOUT', String(payload.runner_info.timeout)),
  ]
}

function additions(facts: RunnerFacts): JobVariable[] {
  return [
    fact('CI_DISPOSABLE_ENVIRONMENT', 'true'),
    fact('CI_RUNNER_VERSION', facts.version),
    fact('CI_RUNNER_REVISION', facts.version),
    fact('CI_RUNNER_EXECUTABLE_ARCH', `linux/${facts.architecture}`),
    fact('RUNNER_TEMP_PROJECT_DIR', temporaryDir(facts.projectDir)),
  ]
}

function fact(key: string, value: string): JobVariable {
  return { key, value, public: true, masked: false, raw: true }
}
