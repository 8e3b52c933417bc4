/** An event on a ref becomes a pipeline, or the reason why not. */
import { Failure, messageOf } from '../lib/index.ts'
import { compile } from './compile.ts'
import type { CompileContext, Compiled, CompileVariable } from './context.ts'
import type { Core } from './core.ts'
import type { PipelineState, SettingVariable } from './model.ts'
import { cancelJob, jobsToAutoCancel } from './outcomes.ts'
import type { Plan, PlanJob, Problem } from './plan.ts'
import type { CommitFacts, NewJobRecord, PipelineRecord, Snapshot } from './ports.ts'
import {
  projectVariables,
  type RefFacts,
  refVariables,
  userVariables,
} from './predefined-variables.ts'
import { publicJob } from './public.ts'
import { readPushOptions } from './push-options.ts'
import type { NewPipeline, PipelineOutcome } from './use-cases.ts'

const configFile = '.gitlab-ci.yml'
const noSha = '0'.repeat(40)
const emptyPlan: Plan = { stages: [], jobs: [], variables: {} }

/** For these GitLab keeps a failed pipeline when the file has errors: nobody waits for an answer who could show them. */
const keepsInvalid: ReadonlySet<string> = new Set(['push', 'trigger', 'schedule'])

/** What is known of the event before the file is read. */
interface Event {
  request: NewPipeline
  facts: RefFacts
  variables: PipelineRecord['variables']
  settings: SettingVariable[]
  problems: Problem[]
}

/** See `Pipelines.create`. */
export async function createPipeline(core: Core, request: NewPipeline): Promise<PipelineOutcome> {
  const { project, user, sha, source } = request
  const known = await replayed(core, request)
  if (known) return known
  const options = readPushOptions(request.pushOptions ?? [])
  const reader = core.sources.reader(project, user, sha)
  const [commit, text, settings] = await Promise.all([
    core.sources.commit(project.id, sha),
    reader.read(configFile),
    core.store.variables(project.id),
  ])
  if (!commit) throw new Failure('not_found', `The project has no commit ${sha}`)
  const event: Event = {
    request,
    facts: refFacts(core, request, commit),
    variables: [...checkedVariables(request.variables ?? []), ...options.variables],
    settings,
    problems: options.problems,
  }
  if (text === undefined) {
    return {
      kind: 'none',
      reason: `There is no ${configFile} in this commit`,
      problems: event.problems,
    }
  }
  if (source === 'push' && (options.skip || skipsPipeline(commit.message))) {
    const reason = options.skip
      ? 'The push asked for no pipeline (ci.skip)'
      : 'The commit message asks for no pipeline ([ci skip])'
    await store(core, event, { ...emptyPlan }, 'skipped')
    return { kind: 'none', reason, problems: event.problems }
  }
  const compiled = await compile(text, contextOf(core, event, reader))
  event.problems = [...event.problems, ...compiled.problems]
  return outcomeOf(core, event, compiled)
}

/** The pipeline that this very push already made, when the crash came after it. */
async function replayed(core: Core, request: NewPipeline): Promise<PipelineOutcome | undefined> {
  if (!core.isReplaying || request.source !== 'push') return undefined
  const { ref, tag } = splitRef(request.ref)
  const filter = { ref, page: 1, perPage: 1 }
  const [pipeline] = (await core.store.pipelines(request.project.id, filter)).items
  const isSame =
    pipeline?.source === 'push' &&
    pipeline.tag === tag &&
    pipeline.sha === request.sha &&
    pipeline.beforeSha === (request.beforeSha ?? noSha)
  if (!isSame) return undefined
  const { problems } = pipeline
  const jobs = (await core.store.snapshot(pipeline.id))?.jobs ?? []
  if (jobs.length > 0) return { kind: 'created', pipeline, jobs: jobs.map(publicJob), problems }
  if (pipeline.status === 'skipped') {
    return { kind: 'none', reason: 'No pipeline was asked for', problems }
  }
  return { kind: 'invalid', pipeline, problems }
}

async function outcomeOf(core: Core, event: Event, compiled: Compiled): Promise<PipelineOutcome> {
  const { problems, request } = event
  if (compiled.pipeline) return start(core, event, compiled.pipeline)
  if (!problems.some(problem => problem.severity === 'error')) {
    return { kind: 'none', reason: compiled.reason ?? 'No jobs for this pipeline', problems }
  }
  if (!keepsInvalid.has(request.source)) return { kind: 'invalid', problems }
  const { pipeline } = await store(core, event, { ...emptyPlan }, 'failed')
  return { kind: 'invalid', pipeline, problems }
}

async function start(core: Core, event: Event, plan: Plan): Promise<PipelineOutcome> {
  const stored = await store(core, event, plan, 'created')
  await keepCommit(core, stored.pipeline)
  const { pipeline, value: jobs } = await core.change(stored.pipeline.id, draft => {
    draft.settle()
    return draft.latest()
  })
  await cancelOlder(core, pipeline)
  return { kind: 'created', pipeline, jobs: jobs.map(publicJob), problems: event.problems }
}

async function store(
  core: Core,
  event: Event,
  plan: Plan,
  status: PipelineState,
): Promise<Snapshot> {
  const { request, facts } = event
  const isOver = status !== 'created'
  const pipeline: Omit<PipelineRecord, 'id' | 'iid'> = {
    projectId: request.project.id,
    ref: facts.ref,
    tag: facts.tag,
    sha: facts.sha,
    beforeSha: facts.beforeSha,
    source: facts.source,
    status,
    userId: request.user.id,
    name: plan.name,
    problems: event.problems,
    plan,
    variables: event.variables,
    commit: facts.commit,
    protected: facts.protected,
    createdAt: facts.createdAt,
    updatedAt: facts.createdAt,
    finishedAt: isOver ? facts.createdAt : undefined,
  }
  const jobs = plan.jobs.map(job => newJob(job, request, facts.createdAt))
  const snapshot = await core.store.insertPipeline(pipeline, jobs)
  core.announce(snapshot)
  return snapshot
}

function newJob(plan: PlanJob, request: NewPipeline, now: number): NewJobRecord {
  return {
    projectId: request.project.id,
    userId: request.user.id,
    name: plan.name,
    stage: plan.stage,
    status: 'created',
    plan,
    attempt: 0,
    createdAt: now,
    artifacts: [],
    playVariables: [],
    dotenv: [],
  }
}

/** Before its jobs may start: their runner fetches this ref. Without it they still find the commit while the branch stands. */
export async function keepCommit(core: Core, pipeline: PipelineRecord): Promise<void> {
  try {
    await core.sources.keep(pipeline.projectId, pipeline.id, pipeline.sha)
  } catch (error) {
    core.logger.error({ err: error, pipelineId: pipeline.id }, 'The commit could not be kept')
  }
}

/** Older pipelines of the branch make way for this one, as far as each allows it. */
async function cancelOlder(core: Core, pipeline: PipelineRecord): Promise<void> {
  if (pipeline.tag) return
  const { projectId, ref } = pipeline
  const active = await core.store.activePipelines({ projectId, ref })
  for (const id of active.filter(id => id < pipeline.id)) {
    try {
      await core.change(id, draft => {
        const { tag, sha, status } = draft.pipeline
        if (tag || sha === pipeline.sha || status === 'manual') return
        for (const jobId of jobsToAutoCancel(draft)) cancelJob(draft, jobId)
        draft.settle()
      })
    } catch (error) {
      core.logger.warn(
        { pipelineId: id, problem: messageOf(error) },
        'An older pipeline could not be canceled',
      )
    }
  }
}

function refFacts(core: Core, request: NewPipeline, commit: CommitFacts): RefFacts {
  const { ref, tag } = splitRef(request.ref)
  return {
    ref,
    tag,
    sha: request.sha,
    beforeSha: request.beforeSha ?? noSha,
    // As GitLab sets up a new project: the default branch is protected, other branches and tags aren't.
    protected: !tag && ref === request.project.defaultBranch,
    source: request.source,
    createdAt: core.clock.now(),
    commit,
  }
}

function splitRef(full: string): { ref: string; tag: boolean } {
  if (full.startsWith('refs/heads/')) return { ref: full.slice('refs/heads/'.length), tag: false }
  if (full.startsWith('refs/tags/')) return { ref: full.slice('refs/tags/'.length), tag: true }
  throw new Failure('invalid', `Not a branch or tag: ${full}`, {
    hint: 'Name the full ref: refs/heads/… or refs/tags/….',
  })
}

function skipsPipeline(message: string): boolean {
  return /\[(?:ci[ _-]skip|skip[ _-]ci)\]/i.test(message)
}

function checkedVariables(
  variables: NonNullable<NewPipeline['variables']>,
): PipelineRecord['variables'] {
  return variables.map(({ key, value, type = 'env_var' }) => {
    if (/^[A-Za-z0-9_]{1,255}$/.test(key)) return { key, value, type }
    throw new Failure('invalid', `Variable key ${JSON.stringify(key.slice(0, 100))} is invalid`, {
      hint: 'Use letters, digits and _ only.',
      details: { key: ["can contain only letters, digits and '_'."] },
    })
  })
}

function contextOf(
  core: Core,
  event: Event,
  reader: NonNullable<CompileContext['reader']>,
): CompileContext {
  const { request, facts } = event
  const { project } = request
  return {
    file: configFile,
    ref: { name: facts.ref, kind: facts.tag ? 'tag' : 'branch' },
    source: facts.source,
    sha: facts.sha,
    beforeSha: facts.beforeSha,
    projectPath: project.fullPath,
    variables: compileVariables(core, event),
    inputs: request.inputs,
    changes: changesOf(core, event),
    reader,
  }
}

function changesOf(core: Core, { request, facts }: Event): CompileContext['changes'] {
  const projectId = request.project.id
  return async compareTo => {
    if (compareTo !== undefined) {
      return (await core.sources.changedSince(projectId, compareTo, facts.sha)) ?? 'unknown_ref'
    }
    if (facts.tag || facts.beforeSha === noSha) return undefined
    return core.sources.changedPaths(projectId, facts.beforeSha, facts.sha)
  }
}

function compileVariables(core: Core, event: Event): CompileVariable[] {
  const { request, facts } = event
  const server = { urls: core.urls, version: core.version }
  const predefined = [...projectVariables(request.project, server), ...refVariables(facts)]
  return [
    ...predefined.map(({ key, value }) => ({ key, value, origin: 'predefined' as const })),
    ...userVariables(request.user).map(({ key, value }) => ({
      key,
      value,
      origin: 'user' as const,
    })),
    ...event.settings
      .filter(setting => facts.protected || !setting.protected)
      .map(setting => ({
        key: setting.key,
        value: setting.value,
        origin: 'settings' as const,
        raw: setting.raw,
        masked: setting.masked,
        type: setting.type,
        environmentScope: setting.environmentScope,
      })),
    ...event.variables.map(({ key, value, type }) => ({
      key,
      value,
      type,
      origin: 'pipeline' as const,
    })),
  ]
}
