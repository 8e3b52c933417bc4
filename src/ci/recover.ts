/** After a restart: what was cut off comes to an end, or goes on. */
import { messageOf } from '../lib/index.ts'
import { type Core, holdsRunner } from './core.ts'
import { keepCommit } from './create-pipeline.ts'
import { finishJob } from './outcomes.ts'

const lastLine =
  '\n\u001b[31;1mERROR: Job failed (system failure): Slipway restarted while this job ran\u001b[0;m\n'

/** Jobs of runners that lived in the process that is gone fail and get one more attempt; every open pipeline is scheduled again. */
export async function recover(core: Core): Promise<void> {
  const runners = await core.store.runners()
  const gone = new Set(runners.filter(runner => runner.inProcess).map(runner => runner.id))
  for (const job of await core.store.activeJobs(['running', 'canceling'])) {
    if (job.runnerId === undefined || !gone.has(job.runnerId)) continue
    await noteInTrace(core, job.id)
    await core.change(job.pipelineId, draft => {
      if (!holdsRunner(draft.job(job.id)?.status)) return
      finishJob(draft, job.id, {
        state: 'failed',
        failureReason: 'runner_system_failure',
        retryOnce: true,
      })
      draft.settle()
    })
  }
  for (const id of await core.store.activePipelines()) {
    const pipeline = await core.store.pipeline(id)
    if (pipeline?.status === 'created') await keepCommit(core, pipeline)
    await core.change(id, draft => draft.settle())
  }
  core.queueGate.wake()
}

async function noteInTrace(core: Core, jobId: number): Promise<void> {
  try {
    await core.traces.append(jobId, await core.traces.size(jobId), Buffer.from(lastLine))
  } catch (error) {
    core.logger.warn({ jobId, problem: messageOf(error) }, 'The log of a job could not be ended')
  }
}
