import type { Job } from './model.ts'
import type { JobRecord } from './ports.ts'

/** The job as others may see it: without what only the server and the runner share. */
export function publicJob(record: JobRecord): Job {
  const { run, playVariables, touchedAt, dotenv, artifactsExpireAt, ...job } = record
  return job
}
