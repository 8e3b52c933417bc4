/** `CI_*` and `GITLAB_*`: what Slipway itself puts into a job's variables (https://docs.gitlab.com/ci/variables/predefined_variables/). */
import type { Project, User } from '../accounts/index.ts'
import type { JobVariable } from '../protocol/index.ts'
import type { PipelineSource } from './model.ts'
import type { CiUrls, CommitFacts, JobRecord, PipelineRecord, Runner } from './ports.ts'
import { environmentSlug, guessTier, slugOf } from './slug.ts'

/** The instance's facts. */
export interface ServerFacts {
  urls: CiUrls
  /** `17.4.0` */
  version: string
}

/** One event on one ref: known before there is a pipeline. */
export interface RefFacts {
  ref: string
  tag: boolean
  sha: string
  beforeSha: string
  protected: boolean
  source: PipelineSource
  createdAt: number
  commit: CommitFacts
}

/** Turns plain values into variables that jobs and services may see. */
export function publicVariables(values: Record<string, string | undefined>): JobVariable[] {
  return Object.entries(values).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value, public: true, masked: false }],
  )
}

function secretVariable(key: string, value: string): JobVariable {
  return { key, value, public: false, masked: true }
}

/** `CI`, `CI_SERVER_*`, `CI_PROJECT_*`, `CI_REGISTRY` … */
export function projectVariables(project: Project, server: ServerFacts): JobVariable[] {
  const namespace = project.fullPath.split('/').slice(0, -1).join('/')
  return publicVariables({
    CI: 'true',
    GITLAB_CI: 'true',
    GITLAB_FEATURES: '',
    ...serverVariables(server),
    CI_PROJECT_ID: String(project.id),
    CI_PROJECT_NAME: project.path,
    CI_PROJECT_TITLE: project.name,
    CI_PROJECT_DESCRIPTION: project.description,
    CI_PROJECT_PATH: project.fullPath,
    CI_PROJECT_PATH_SLUG: slugOf(project.fullPath),
    CI_PROJECT_NAMESPACE: namespace,
    CI_PROJECT_NAMESPACE_ID: String(project.namespaceId),
    CI_PROJECT_NAMESPACE_SLUG: slugOf(namespace),
    CI_PROJECT_ROOT_NAMESPACE: namespace.split('/')[0]!,
    CI_PROJECT_URL: `${server.urls.external}/${project.fullPath}`,
    CI_PROJECT_VISIBILITY: project.visibility,
    CI_PROJECT_REPOSITORY_LANGUAGES: '',
    CI_PROJECT_TOPICS: '',
    CI_PROJECT_CLASSIFICATION_LABEL: '',
    CI_DEFAULT_BRANCH: project.defaultBranch,
    CI_CONFIG_PATH: '.gitlab-ci.yml',
    CI_REGISTRY: server.urls.registry,
    CI_REGISTRY_IMAGE: `${server.urls.registry}/${project.fullPath.toLowerCase()}`,
  })
}

function serverVariables({ urls, version }: ServerFacts): Record<string, string> {
  const url = new URL(urls.internal)
  const protocol = url.protocol.slice(0, -1)
  const [major = '0', minor = '0', patch = '0'] = version.split(/[.-]/)
  return {
    CI_SERVER: 'yes',
    CI_SERVER_NAME: 'GitLab',
    CI_SERVER_URL: urls.internal,
    CI_SERVER_HOST: url.hostname,
    CI_SERVER_FQDN: url.host,
    CI_SERVER_PORT: url.port || (protocol === 'https' ? '443' : '80'),
    CI_SERVER_PROTOCOL: protocol,
    CI_SERVER_VERSION: version,
    CI_SERVER_VERSION_MAJOR: major,
    CI_SERVER_VERSION_MINOR: minor,
    CI_SERVER_VERSION_PATCH: patch,
    CI_SERVER_REVISION: 'slipway',
    CI_API_V4_URL: `${urls.internal}/api/v4`,
  }
}

/** `CI_COMMIT_*` and the parts of `CI_PIPELINE_*` that `rules` may use. */
export function refVariables(facts: RefFacts): JobVariable[] {
  const { commit, sha, ref } = facts
  return publicVariables({
    CI_PIPELINE_SOURCE: facts.source,
    CI_PIPELINE_CREATED_AT: isoSeconds(facts.createdAt),
    CI_PIPELINE_TRIGGERED: facts.source === 'trigger' ? 'true' : undefined,
    CI_COMMIT_SHA: sha,
    CI_COMMIT_SHORT_SHA: sha.slice(0, 8),
    CI_COMMIT_BEFORE_SHA: facts.beforeSha,
    CI_COMMIT_REF_NAME: ref,
    CI_COMMIT_REF_SLUG: slugOf(ref),
    CI_COMMIT_REF_PROTECTED: String(facts.protected),
    CI_COMMIT_BRANCH: facts.tag ? undefined : ref,
    CI_COMMIT_TAG: facts.tag ? ref : undefined,
    CI_COMMIT_MESSAGE: commit.message,
    CI_COMMIT_TITLE: commit.title,
    CI_COMMIT_DESCRIPTION: descriptionOf(commit),
    CI_COMMIT_TIMESTAMP: commit.timestamp,
    CI_COMMIT_AUTHOR: `${commit.authorName} <${commit.authorEmail}>`,
  })
}

function descriptionOf(commit: CommitFacts): string {
  if (commit.title.length > 100) return commit.message
  const end = commit.message.indexOf('\n')
  return end < 0 ? '' : commit.message.slice(end + 1).replace(/^\n+/, '')
}

/** Known once the pipeline is stored. */
export function pipelineVariables(
  pipeline: PipelineRecord,
  project: Project,
  server: ServerFacts,
): JobVariable[] {
  const url = `${server.urls.external}/${project.fullPath}/-/pipelines/${pipeline.id}`
  return publicVariables({
    CI_PIPELINE_ID: String(pipeline.id),
    CI_PIPELINE_IID: String(pipeline.iid),
    CI_PIPELINE_URL: url,
    CI_PIPELINE_NAME: pipeline.name,
  })
}

/** `GITLAB_USER_*`: who started the job. YAML can't override these. */
export function userVariables(user: User): JobVariable[] {
  return publicVariables({
    GITLAB_USER_ID: String(user.id),
    GITLAB_USER_LOGIN: user.username,
    GITLAB_USER_NAME: user.name,
    GITLAB_USER_EMAIL: user.email,
  })
}

/** `CI_JOB_*`, `CI_NODE_*`, `CI_ENVIRONMENT_*`, and what the job's token opens. */
export function jobVariables(
  job: JobRecord,
  context: { project: Project; token: string; server: ServerFacts; startedAt: number },
): JobVariable[] {
  const { project, token, server } = context
  const { plan } = job
  return [
    ...publicVariables({
      CI_JOB_ID: String(job.id),
      CI_JOB_URL: `${server.urls.external}/${project.fullPath}/-/jobs/${job.id}`,
      CI_JOB_NAME: job.name,
      CI_JOB_NAME_SLUG: slugOf(job.name),
      CI_JOB_GROUP_NAME: job.name.replace(/[\s:]+(?:\[.*\]|\d+[\s:/\\]+\d+)\s*$/, ''),
      CI_JOB_STAGE: job.stage,
      CI_JOB_STARTED_AT: isoSeconds(context.startedAt),
      CI_JOB_MANUAL: plan.when === 'manual' || plan.when === 'delayed' ? 'true' : undefined,
      CI_NODE_INDEX: plan.parallel ? String(plan.parallel[0]) : undefined,
      CI_NODE_TOTAL: String(plan.parallel?.[1] ?? 1),
      CI_REGISTRY_USER: 'gitlab-ci-token',
      ...environmentVariables(plan.environment),
    }),
    secretVariable('CI_JOB_TOKEN', token),
    secretVariable('CI_REGISTRY_PASSWORD', token),
    {
      key: 'CI_REPOSITORY_URL',
      value: repositoryUrl(project, token, server.urls),
      public: false,
      masked: false,
    },
  ]
}

function environmentVariables(environment: JobRecord['plan']['environment']) {
  if (!environment) return {}
  return {
    CI_ENVIRONMENT_NAME: environment.name,
    CI_ENVIRONMENT_SLUG: environmentSlug(environment.name),
    CI_ENVIRONMENT_ACTION: environment.action,
    CI_ENVIRONMENT_TIER: environment.tier ?? guessTier(environment.name),
    CI_ENVIRONMENT_URL: environment.url,
  }
}

/** Where the job clones from. It holds the job's token. */
export function repositoryUrl(project: Project, token: string, urls: CiUrls): string {
  const url = new URL(urls.internal)
  url.username = 'gitlab-ci-token'
  url.password = token
  return `${url.href.replace(/\/$/, '')}/${project.fullPath}.git`
}

/** `CI_RUNNER_*` as far as the server knows them. */
export function runnerVariables(runner: Runner): JobVariable[] {
  return publicVariables({
    CI_RUNNER_ID: String(runner.id),
    CI_RUNNER_DESCRIPTION: runner.description,
    CI_RUNNER_TAGS: JSON.stringify(runner.tags),
  })
}

function isoSeconds(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`
}
