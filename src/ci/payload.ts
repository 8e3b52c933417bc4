/** Plan job → what the runner gets (`POST /jobs/request`). Pure. */
import type { Project, User } from '../accounts/index.ts'
import type {
  JobArtifact,
  JobCache,
  JobDependency,
  JobImage,
  JobPayload,
  JobStep,
  JobVariable,
} from '../protocol/index.ts'
import { expandVariables } from './expand-variables.ts'
import type { SettingVariable } from './model.ts'
import type { PlanImage, PlanJob, PlanVariable } from './plan.ts'
import type { JobRecord, PipelineRecord, Runner } from './ports.ts'
import {
  jobVariables,
  pipelineVariables,
  projectVariables,
  refVariables,
  repositoryUrl,
  runnerVariables,
  type ServerFacts,
  userVariables,
} from './predefined-variables.ts'
import { reportFiles } from './reports.ts'
import { settingAsJobVariable, visibleSettings } from './setting-variables.ts'

export interface PayloadInput {
  job: JobRecord
  pipeline: PipelineRecord
  project: Project
  user: User
  runner: Runner
  token: string
  settings: readonly SettingVariable[]
  /** Jobs whose archives it gets. */
  dependencies: readonly JobRecord[]
  server: ServerFacts
  timeoutSeconds: number
  now: number
  /** Of this project, on all runners. */
  runningCount: number
}

/** GitLab's default for new projects. */
const defaultDepth = 20

/** Everything that the official runner understands when it is told so; each is kept as it came. */
const failureReasons = [
  'unknown_failure',
  'script_failure',
  'runner_system_failure',
  'job_execution_timeout',
  'image_pull_failure',
  'runner_configuration_error',
  'runner_external_dependency_failure',
  'runner_interrupted',
  'job_canceled',
]

/** Builds the payload. */
export function buildPayload(input: PayloadInput): JobPayload {
  const { job, pipeline, project, server, token } = input
  const variables = payloadVariables(input)
  return {
    id: job.id,
    token,
    allow_git_fetch: true,
    job_info: {
      name: job.name,
      stage: job.stage,
      project_id: project.id,
      project_name: project.path,
      project_full_path: project.fullPath,
      pipeline_id: pipeline.id,
      user_id: job.userId,
      time_in_queue_seconds: Math.max(0, input.now - (job.queuedAt ?? input.now)) / 1000,
      project_jobs_running_on_instance_runners_count: runningCount(input.runningCount),
    },
    git_info: gitInfo(input, variables),
    runner_info: { uuid: '', timeout: input.timeoutSeconds },
    variables,
    steps: stepsOf(job.plan, input.timeoutSeconds),
    image: job.plan.image ? imageOf(job.plan.image) : null,
    services: job.plan.services.map(imageOf),
    artifacts: artifactsOf(job.plan),
    cache: cachesOf(job.plan, pipeline.protected),
    credentials: [
      {
        type: 'registry',
        url: server.urls.registry,
        username: 'gitlab-ci-token',
        password: token,
      },
    ],
    dependencies: input.dependencies.map(one => dependencyOf(one, token)),
    features: {
      trace_sections: true,
      token_mask_prefixes: ['glpat-', 'glcbt-', 'glrt-'],
      failure_reasons: failureReasons,
    },
    ...hooksOf(job.plan),
  }
}

/** All variables, lowest precedence first: a later duplicate wins. */
export function payloadVariables(input: PayloadInput): JobVariable[] {
  const { job, pipeline, project, server } = input
  const settings = visibleSettings(input.settings, {
    protected: pipeline.protected,
    environment: job.plan.environment?.name,
  })
  return expandVariables([
    ...jobVariables(job, { project, token: input.token, server, startedAt: input.now }),
    ...projectVariables(project, server),
    ...refVariables(pipeline),
    ...pipelineVariables(pipeline, project, server),
    ...runnerVariables(input.runner),
    ...planVariables(job.plan.variables),
    ...userVariables(input.user),
    ...input.dependencies.flatMap(one => dotenvVariables(one)),
    ...settings.map(settingAsJobVariable),
    ...pipeline.variables.map(variable => ({
      key: variable.key,
      value: variable.value,
      public: false,
      masked: false,
      ...(variable.type === 'file' && { file: true }),
    })),
    ...job.playVariables.map(({ key, value }) => ({ key, value, public: false, masked: false })),
  ])
}

function dotenvVariables(job: JobRecord): JobVariable[] {
  return job.dotenv.map(({ key, value }) => ({ key, value, public: false, masked: false }))
}

function planVariables(variables: Record<string, PlanVariable>): JobVariable[] {
  return Object.entries(variables).map(([key, { value, expand }]) => ({
    key,
    value,
    public: true,
    masked: false,
    ...(!expand && { raw: true }),
  }))
}

function gitInfo(input: PayloadInput, variables: readonly JobVariable[]): JobPayload['git_info'] {
  const { pipeline, project, token, server } = input
  const depth = depthOf(variables)
  return {
    repo_url: repositoryUrl(project, token, server.urls),
    repo_object_format: 'sha1',
    ref: pipeline.ref,
    sha: pipeline.sha,
    before_sha: pipeline.beforeSha,
    ref_type: pipeline.tag ? 'tag' : 'branch',
    refspecs: refspecs(pipeline, depth),
    depth,
    protected: pipeline.protected,
  }
}

function depthOf(variables: readonly JobVariable[]): number {
  const text = variables.findLast(variable => variable.key === 'GIT_DEPTH')?.value
  return text !== undefined && /^\d{1,9}$/.test(text.trim()) ? Number(text) : defaultDepth
}

/** The pipeline's own ref first: the branch may have moved on. */
function refspecs(pipeline: PipelineRecord, depth: number): string[] {
  const own = `refs/pipelines/${pipeline.id}`
  if (depth === 0) {
    return [`+${own}:${own}`, '+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*']
  }
  const { ref } = pipeline
  const named = pipeline.tag
    ? `+refs/tags/${ref}:refs/tags/${ref}`
    : `+refs/heads/${ref}:refs/remotes/origin/${ref}`
  return [`+${own}:${own}`, named]
}

function stepsOf(plan: PlanJob, timeout: number): JobStep[] {
  const script: JobStep = {
    name: 'script',
    script: [...plan.beforeScript, ...plan.script],
    timeout,
    when: 'on_success',
    allow_failure: false,
  }
  if (plan.afterScript.length === 0) return [script]
  const after: JobStep = {
    name: 'after_script',
    script: plan.afterScript,
    timeout,
    when: 'always',
    allow_failure: true,
  }
  return [script, after]
}

function imageOf(image: PlanImage): JobImage {
  const docker = {
    ...(image.dockerPlatform !== undefined && { platform: image.dockerPlatform }),
    ...(image.dockerUser !== undefined && { user: image.dockerUser }),
  }
  return {
    name: image.name,
    ...(image.alias !== undefined && { alias: image.alias }),
    ...(image.entrypoint && { entrypoint: image.entrypoint }),
    ...(image.command && { command: image.command }),
    ...(image.pullPolicy && { pull_policy: image.pullPolicy }),
    ...(image.variables && { variables: planVariables(image.variables) }),
    ...(Object.keys(docker).length > 0 && { executor_opts: { docker } }),
  }
}

function artifactsOf(plan: PlanJob): JobArtifact[] | null {
  const { artifacts } = plan
  if (!artifacts) return null
  const archive: JobArtifact[] =
    artifacts.paths.length > 0 || artifacts.untracked
      ? [
          {
            ...(artifacts.name !== undefined && { name: artifacts.name }),
            untracked: artifacts.untracked,
            paths: artifacts.paths,
            ...(artifacts.exclude.length > 0 && { exclude: artifacts.exclude }),
            when: artifacts.when,
            artifact_type: 'archive',
            artifact_format: 'zip',
            ...(artifacts.expireIn !== undefined && { expire_in: artifacts.expireIn }),
          },
        ]
      : []
  const reports = Object.entries(artifacts.reports).flatMap(([type, paths]) => {
    const file = reportFiles[type]
    if (!file) return []
    return [
      {
        name: file.name,
        paths,
        when: 'always' as const,
        artifact_type: file.type ?? type,
        artifact_format: file.format,
        ...(artifacts.expireIn !== undefined && { expire_in: artifacts.expireIn }),
      },
    ]
  })
  const all = [...archive, ...reports]
  return all.length > 0 ? all : null
}

/** Protected and other refs never share a cache: who may push a branch could else leave something for the protected one. */
function cachesOf(plan: PlanJob, isProtected: boolean): JobCache[] {
  const suffix = isProtected ? '-protected' : '-non_protected'
  return plan.cache.map(cache => ({
    key: `${cache.key}${suffix}`,
    untracked: cache.untracked,
    policy: cache.policy,
    paths: cache.paths,
    when: cache.when,
    ...(cache.fallbackKeys.length > 0 && {
      fallback_keys: cache.fallbackKeys.map(key => `${key}${suffix}`),
    }),
  }))
}

/** GitLab puts the running job's token here: it is what opens the other job's artifacts. */
function dependencyOf(job: JobRecord, token: string): JobDependency {
  const archive = job.artifacts.find(file => file.type === 'archive')
  return {
    id: job.id,
    name: job.name,
    token,
    ...(archive && { artifacts_file: { filename: archive.filename, size: archive.sizeBytes } }),
  }
}

function hooksOf(plan: PlanJob): Pick<JobPayload, 'hooks'> {
  const hooks = plan.extra?.['hooks']
  if (typeof hooks !== 'object' || hooks === null) return {}
  const list = Object.entries(hooks).flatMap(([name, script]) => {
    const lines = [script].flat(9).filter(line => typeof line === 'string')
    return lines.length > 0 ? [{ name, script: lines }] : []
  })
  return list.length > 0 ? { hooks: list } : {}
}

function runningCount(count: number): string {
  return count > 5 ? '5+' : String(count)
}
