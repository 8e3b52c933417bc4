/**
 * The compiled pipeline: a plain, serialisable value. The compiler makes it, the store keeps it, the scheduler and the job payload read it.
 * Nothing downstream ever sees YAML.
 */

export type When = 'on_success' | 'on_failure' | 'always' | 'manual' | 'delayed' | 'never'

export interface Plan {
  /** `workflow:name`, expanded. */
  name?: string
  /** With `.pre` and `.post`, in order. */
  stages: string[]
  jobs: PlanJob[]
  /** Global `variables`, of every job unless `inherit` says otherwise (already merged into the jobs). */
  variables: Record<string, PlanVariable>
  autoCancel?: {
    onNewCommit: 'conservative' | 'interruptible' | 'none'
    onJobFailure: 'all' | 'none'
  }
}

export interface PlanVariable {
  value: string
  /** false: `$X` in it stays as it is. */
  expand: boolean
}

export interface PlanImage {
  name: string
  alias?: string
  entrypoint?: string[]
  command?: string[]
  pullPolicy?: string[]
  variables?: Record<string, PlanVariable>
  dockerUser?: string
  dockerPlatform?: string
}

export interface PlanNeed {
  /** The concrete job's name (after parallel expansion). */
  job: string
  artifacts: boolean
  optional: boolean
}

export interface PlanJob {
  name: string
  stage: string
  stageIndex: number
  when: Exclude<When, 'never'>
  /** Seconds, with `when: delayed`. */
  startInSeconds?: number
  allowFailure: boolean
  allowFailureExitCodes?: number[]
  /** Undefined: waits for all earlier stages. Empty: starts at once. */
  needs?: PlanNeed[]
  /** Names of jobs whose artifacts it gets; undefined: all of earlier stages (or of its needs). */
  dependencies?: string[]
  tags: string[]
  image?: PlanImage
  services: PlanImage[]
  /** Job variables after inheritance, matrix and rules. */
  variables: Record<string, PlanVariable>
  beforeScript: string[]
  script: string[]
  afterScript: string[]
  artifacts?: {
    name?: string
    paths: string[]
    exclude: string[]
    untracked: boolean
    when: 'on_success' | 'on_failure' | 'always'
    expireIn?: string
    exposeAs?: string
    access?: string
    reports: Record<string, string[]>
    /** Of `reports:coverage_report`: `cobertura` or `jacoco`. */
    coverageFormat?: string
  }
  cache: {
    key: string
    paths: string[]
    untracked: boolean
    policy: 'pull-push' | 'pull' | 'push'
    when: 'on_success' | 'on_failure' | 'always'
    fallbackKeys: string[]
    /** true: shared between protected and other refs. */
    unprotect?: boolean
  }[]
  retry: { max: number; when: string[]; exitCodes: number[] }
  timeoutSeconds?: number
  interruptible: boolean
  environment?: {
    name: string
    url?: string
    action: string
    onStop?: string
    autoStopIn?: string
    tier?: string
  }
  resourceGroup?: string
  coverageRegex?: string
  /** `[index, total]`, 1-based. */
  parallel?: [number, number]
  /** Keywords that the plan carries for later parts of the product (`release`, `trigger`, `hooks`, `id_tokens`, `secrets`, `run` …), in GitLab's shape. */
  extra?: Record<string, unknown>
  /** Why it is in this pipeline: one line a rule that was tried. */
  why: WhyStep[]
}

export interface WhyStep {
  /** `rules[1]:if`, `only:refs`, `workflow:rules[0]` … */
  at: string
  /** The rule's text. */
  text: string
  matched: boolean
  /** What each part evaluated to, for people; masked values stay masked. */
  detail?: string
  line?: number
}

export interface Problem {
  severity: 'error' | 'warning'
  file: string
  /** 1-based. */
  line: number
  column: number
  /** In GitLab's words where GitLab has them. */
  message: string
  job?: string
  /** In ours: what to do. */
  hint?: string
}
