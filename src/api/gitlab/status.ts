import { type Static, Type } from '@fastify/type-provider-typebox'
import type { JobState } from '../../ci/index.ts'

/** GitLab's detailed status: what a badge shows. */
export const DetailedStatus = Type.Object({
  icon: Type.String(),
  text: Type.String(),
  label: Type.String(),
  group: Type.String(),
  tooltip: Type.String(),
  has_details: Type.Boolean(),
  details_path: Type.String(),
})

const badges: Record<JobState, [text: string, label: string, icon?: string]> = {
  created: ['Created', 'created'],
  waiting_for_resource: ['Waiting', 'waiting for resource', 'pending'],
  pending: ['Pending', 'pending'],
  running: ['Running', 'running'],
  success: ['Passed', 'passed'],
  failed: ['Failed', 'failed'],
  canceling: ['Canceling', 'canceling', 'canceled'],
  canceled: ['Canceled', 'canceled'],
  skipped: ['Skipped', 'skipped'],
  manual: ['Manual', 'manual action'],
  scheduled: ['Scheduled', 'delayed'],
}

export function detailedStatus(
  status: JobState,
  detailsPath: string,
): Static<typeof DetailedStatus> {
  const [text, label, icon = status] = badges[status]
  return {
    icon: `status_${icon}`,
    text,
    label,
    group: status.replaceAll('_', '-'),
    tooltip: label,
    has_details: true,
    details_path: detailsPath,
  }
}

/** Seconds between two instants, with GitLab's precision; null while one is missing. */
export function seconds(from: number | undefined, to: number | undefined): number | null {
  return from === undefined || to === undefined ? null : Math.max(to - from, 0) / 1000
}
