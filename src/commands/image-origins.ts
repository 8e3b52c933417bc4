import type { ImageOrigins } from '../api/index.ts'
import type { Pipelines } from '../ci/index.ts'

const kept = 5000

/** Which pipeline made an image: learned from pushes by jobs. */
export interface LearnedOrigins extends ImageOrigins {
  learn(configDigest: string, jobId: number): void
}

export function imageOrigins(pipelines: Pick<Pipelines, 'job' | 'get'>): LearnedOrigins {
  const jobs = new Map<string, number>()
  return {
    learn(configDigest, jobId) {
      jobs.set(configDigest, jobId)
      if (jobs.size > kept) jobs.delete(jobs.keys().next().value!)
    },
    async originOf(configDigest) {
      const jobId = jobs.get(configDigest)
      const job = jobId === undefined ? undefined : await pipelines.job(jobId)
      const pipeline = job && (await pipelines.get(job.pipelineId))
      if (job === undefined || pipeline === undefined) return undefined
      return { projectId: job.projectId, pipelineId: pipeline.id, jobId: job.id, sha: pipeline.sha }
    },
  }
}
