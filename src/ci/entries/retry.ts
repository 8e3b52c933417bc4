import { child, isString, type Mark, type Node } from '../config/node.ts'
import { didYouMean } from '../config/problems.ts'
import {
  onlyKeys,
  type Place,
  readInteger,
  readIntegers,
  readStringOrStrings,
  refuse,
} from './kit.ts'

export interface RetryEntry {
  max?: number
  when?: string[]
  exitCodes?: number[]
  mark: Mark
}

/** Reasons a job may fail for, as `retry:when` knows them. */
export const retryReasons: readonly string[] = [
  'always',
  'api_failure',
  'archived_failure',
  'bridge_pipeline_is_child_pipeline',
  'builds_disabled',
  'ci_quota_exceeded',
  'data_integrity_failure',
  'deployment_rejected',
  'downstream_bridge_project_not_found',
  'downstream_pipeline_creation_failed',
  'environment_creation_failure',
  'failed_outdated_deployment_job',
  'forward_deployment_failure',
  'insufficient_bridge_permissions',
  'insufficient_upstream_permissions',
  'invalid_bridge_trigger',
  'ip_restriction_failure',
  'job_execution_timeout',
  'job_token_expired',
  'missing_dependency_failure',
  'no_matching_runner',
  'no_updates_canceling',
  'no_updates_running',
  'pipeline_loop_detected',
  'project_deleted',
  'protected_environment_failure',
  'reached_downstream_pipeline_trigger_rate_limit',
  'reached_max_descendant_pipelines_depth',
  'reached_max_pipeline_hierarchy_size',
  'runner_configuration_error',
  'runner_external_dependency_failure',
  'runner_interrupted',
  'runner_provisioning_timeout',
  'runner_system_failure',
  'runner_unsupported',
  'scheduler_failure',
  'script_failure',
  'secrets_provider_not_found',
  'server_timeout_canceling',
  'server_timeout_running',
  'stale_schedule',
  'stuck_or_timeout_failure',
  'stuck_pending_no_matching_runners',
  'stuck_pending_with_matching_runners',
  'trace_size_exceeded',
  'unknown_failure',
  'unmet_prerequisites',
  'upstream_bridge_project_not_found',
  'user_blocked',
]

/** `retry:`, a number or a mapping. */
export function readRetry(place: Place, node: Node): RetryEntry | undefined {
  const bounds = { min: 0, max: 2 }
  if (node.kind === 'scalar' && node.type === 'integer') {
    const max = readInteger(place, node, 'config', bounds)
    return max === undefined ? undefined : { max, mark: node.mark }
  }
  if (node.kind !== 'map') {
    const hint =
      isString(node) && /^[0-2]$/.test(node.value) ? 'write it without quotes' : undefined
    return refuse(place, node.mark, 'config has to be either an integer or a hash', hint)
  }
  onlyKeys(place, node, ['max', 'when', 'exit_codes'])
  const max = readInteger(place, child(node, 'max'), 'max', bounds)
  const when = readReasons(place, child(node, 'when'))
  const exitCodes = readIntegers(place, child(node, 'exit_codes'), 'exit codes')
  return {
    ...(max !== undefined && { max }),
    ...(when && { when }),
    ...(exitCodes && { exitCodes }),
    mark: node.mark,
  }
}

function readReasons(place: Place, node: Node | undefined): string[] | undefined {
  const reasons = readStringOrStrings(place, node, 'when')
  if (!reasons || !node) return undefined
  const unknown = reasons.filter(reason => !retryReasons.includes(reason))
  if (unknown.length === 0) return reasons
  const text = isString(node)
    ? 'when is not included in the list'
    : `when contains unknown values: ${unknown.join(', ')}`
  return refuse(place, node.mark, text, didYouMean(unknown[0]!, retryReasons))
}
