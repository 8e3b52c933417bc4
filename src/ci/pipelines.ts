/** The use cases: the one file that others call to act on pipelines. */
import type { User } from '../accounts/index.ts'
import { Failure } from '../lib/index.ts'
import { createArtifactDesk } from './artifacts.ts'
import { createCoordinator } from './coordinator.ts'
import { type Changed, type Core, createCore, type PipelinesOptions } from './core.ts'
import { createPipeline } from './create-pipeline.ts'
import type { Draft } from './draft.ts'
import type { Job, Pipeline } from './model.ts'
import { cancelJob, isRetryable, retryAll, retryJob } from './outcomes.ts'
import { publicJob } from './public.ts'
import { reapUntilAborted } from './reaper.ts'
import { recover } from './recover.ts'
import { createRunners, ensureRunner } from './runners.ts'
import { readyState } from './schedule.ts'
import { checkSettingVariable } from './setting-variables.ts'
import type { PipelineFilter, Pipelines } from './use-cases.ts'

/** Pipelines over the given ports. */
export function createPipelines(options: PipelinesOptions): Pipelines {
  const core = createCore(options)
  return {
    coordinator: createCoordinator(core),
    runners: createRunners(core),
    create: request => createPipeline(core, request),
    ...queries(core),
    ...jobCommands(core),
    ...pipelineCommands(core),
    ...settings(core),
    ensureRunner: runner => ensureRunner(core, runner),
    recover: () => recover(core),
    run(signal) {
      core.isReplaying = false
      return reapUntilAborted(core, signal)
    },
  }
}

function queries(core: Core): Pick<Pipelines, 'get' | 'list' | 'jobs' | 'job' | 'projectJobs'> {
  const { store } = core
  return {
    get: id => store.pipeline(id),
    list: (projectId, filter) => list(core, projectId, filter),
    async jobs(pipelineId, options = {}) {
      const snapshot = await store.snapshot(pipelineId)
      const jobs = snapshot?.jobs ?? []
      return jobs
        .filter(job => options.includeRetried || job.retriedBy === undefined)
        .map(publicJob)
    },
    async job(id) {
      const record = await store.job(id)
      return record && publicJob(record)
    },
    async projectJobs(projectId, filter) {
      const { items, total } = await store.projectJobs(projectId, filter)
      return { items: items.map(publicJob), total }
    },
  }
}

async function list(
  core: Core,
  projectId: number,
  { username, ...filter }: PipelineFilter,
): Promise<{ items: Pipeline[]; total: number }> {
  if (username === undefined) return core.store.pipelines(projectId, filter)
  const user = await core.accounts.user(username)
  if (!user) return { items: [], total: 0 }
  return core.store.pipelines(projectId, { ...filter, userId: user.id })
}

function jobCommands(core: Core): Pick<Pipelines, 'play' | 'retry' | 'cancel'> {
  /** Answers the job whose id `work` answers. */
  const changeJob = async (jobId: number, work: (draft: Draft) => number): Promise<Job> => {
    const job = await core.store.job(jobId)
    if (!job) throw new Failure('not_found', 'Job Not Found')
    const changed: Changed<number> = await core.change(job.pipelineId, draft => {
      const id = work(draft)
      draft.settle()
      return id
    })
    return publicJob(changed.job(changed.value))
  }
  return {
    play: (jobId, user, variables) =>
      changeJob(jobId, draft => {
        playJob(draft, jobId, user, variables)
        return jobId
      }),
    retry: (jobId, user) =>
      changeJob(jobId, draft => {
        if (!isRetryable(draft.job(jobId)!)) {
          throw new Failure('forbidden', 'Job is not retryable', {
            hint: 'Only the latest attempt of a job that has ended can be retried.',
          })
        }
        return retryJob(draft, jobId, user.id)
      }),
    cancel: jobId =>
      changeJob(jobId, draft => {
        cancelJob(draft, jobId)
        return jobId
      }),
  }
}

function playJob(
  draft: Draft,
  jobId: number,
  user: User,
  variables: { key: string; value: string }[] = [],
): void {
  const job = draft.job(jobId)!
  if (job.status !== 'manual' && job.status !== 'scheduled') {
    throw new Failure('conflict', 'Unplayable Job', {
      hint: `The job is ${job.status}; only a manual or scheduled one can be started by hand.`,
    })
  }
  draft.update(jobId, {
    status: readyState({}),
    userId: user.id,
    scheduledAt: undefined,
    playVariables: variables.map(({ key, value }) => ({ key, value })),
  })
  draft.reviveAfter(jobId)
}

function pipelineCommands(
  core: Core,
): Pick<Pipelines, 'retryPipeline' | 'cancelPipeline' | 'deletePipeline'> {
  const desk = createArtifactDesk(core)
  return {
    async retryPipeline(pipelineId, user) {
      const { pipeline } = await core.change(pipelineId, draft => {
        if (retryAll(draft, user.id) > 0) draft.settle()
      })
      return pipeline
    },
    async cancelPipeline(pipelineId) {
      const { pipeline } = await core.change(pipelineId, draft => cancelAll(draft, false))
      return pipeline
    },
    async deletePipeline(pipelineId) {
      const { pipeline } = await core.change(pipelineId, draft => cancelAll(draft, true))
      const { jobIds, digests } = await core.store.deletePipeline(pipelineId)
      for (const jobId of jobIds) await core.traces.delete(jobId)
      await desk.forget(digests)
      await core.sources.release(pipeline.projectId, pipelineId)
    },
  }
}

function cancelAll(draft: Draft, force: boolean): void {
  const jobs = draft.latest()
  for (const job of jobs) cancelJob(draft, job.id, force)
  if (jobs.length > 0) draft.settle()
}

function settings(core: Core): Pick<Pipelines, 'variables' | 'setVariable' | 'deleteVariable'> {
  const { store } = core
  return {
    variables: projectId => store.variables(projectId),
    async setVariable(projectId, variable) {
      checkSettingVariable(variable)
      await store.putVariable(projectId, variable)
      return variable
    },
    async deleteVariable(projectId, key, environmentScope) {
      const found = (await store.variables(projectId)).filter(
        variable =>
          variable.key === key &&
          (environmentScope === undefined || variable.environmentScope === environmentScope),
      )
      if (found.length === 0) throw new Failure('not_found', 'Variable Not Found')
      if (found.length > 1) {
        throw new Failure('conflict', 'There are multiple variables with provided parameters', {
          hint: "Please use 'filter[environment_scope]'",
        })
      }
      await store.deleteVariables(projectId, key, found[0]!.environmentScope)
    },
  }
}
