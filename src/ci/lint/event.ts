/** Events to simulate: what a push, tag, merge request … would set. */
import type { CompileContext, CompileVariable, SourceReader } from '../context.ts'
import type { PipelineSource } from '../model.ts'
import { slugOf } from '../slug.ts'

export const simulatedEvents = [
  'push',
  'tag',
  'merge_request',
  'schedule',
  'web',
  'api',
  'trigger',
  'pipeline',
  'parent_pipeline',
] as const

export type SimulatedEvent = (typeof simulatedEvents)[number]

export interface Simulation {
  event?: SimulatedEvent
  /** Branch or, with `tag` or the event `tag`, the tag's name. Default `main`. */
  ref?: string
  tag?: boolean
  defaultBranch?: string
  sha?: string
  beforeSha?: string
  projectPath?: string
  /** Changed files; undefined: nothing to compare with. */
  changed?: string[]
  /** As given when a pipeline is started by hand. */
  variables?: { key: string; value: string }[]
  inputs?: Record<string, unknown>
  file?: string
  reader?: SourceReader
}

const noSha = '0'.repeat(40)

const sources: Readonly<Record<SimulatedEvent, PipelineSource>> = {
  push: 'push',
  tag: 'push',
  merge_request: 'merge_request_event',
  schedule: 'schedule',
  web: 'web',
  api: 'api',
  trigger: 'trigger',
  pipeline: 'pipeline',
  parent_pipeline: 'parent_pipeline',
}

/** A context for `compile` and `lint` without a server around it. */
export function simulatedContext(simulation: Simulation): CompileContext {
  const event = simulation.event ?? (simulation.tag ? 'tag' : 'push')
  const isTag = event === 'tag' || simulation.tag === true
  const name = simulation.ref ?? (isTag ? 'v1.0.0' : 'main')
  const sha = simulation.sha ?? 'f'.repeat(40)
  const beforeSha = event === 'push' ? (simulation.beforeSha ?? noSha) : noSha
  const { changed } = simulation
  return {
    file: simulation.file,
    ref: { name, kind: isTag ? 'tag' : 'branch' },
    source: sources[event],
    sha,
    beforeSha,
    projectPath: simulation.projectPath ?? 'group/project',
    variables: [
      ...predefined(simulation, event, { name, isTag, sha, beforeSha }),
      ...(simulation.variables ?? []).map(one => ({ ...one, origin: 'pipeline' as const })),
    ],
    inputs: simulation.inputs,
    changes: changed && (async () => changed),
    reader: simulation.reader,
  }
}

interface SimulatedRef {
  name: string
  isTag: boolean
  sha: string
  beforeSha: string
}

function predefined(
  simulation: Simulation,
  event: SimulatedEvent,
  ref: SimulatedRef,
): CompileVariable[] {
  const path = simulation.projectPath ?? 'group/project'
  const defaultBranch = simulation.defaultBranch ?? 'main'
  const values: [string, string][] = [
    ['CI', 'true'],
    ['GITLAB_CI', 'true'],
    ['CI_SERVER', 'yes'],
    ['CI_SERVER_HOST', 'localhost'],
    ['CI_SERVER_FQDN', 'localhost'],
    ['CI_PROJECT_PATH', path],
    ['CI_PROJECT_PATH_SLUG', slugOf(path)],
    ['CI_PROJECT_NAME', path.split('/').at(-1)!],
    ['CI_PROJECT_NAMESPACE', path.split('/').slice(0, -1).join('/')],
    ['CI_PROJECT_ROOT_NAMESPACE', path.split('/')[0]!],
    ['CI_DEFAULT_BRANCH', defaultBranch],
    ['CI_CONFIG_PATH', '.gitlab-ci.yml'],
    ['CI_PIPELINE_SOURCE', sources[event]],
    ['CI_COMMIT_SHA', ref.sha],
    ['CI_COMMIT_SHORT_SHA', ref.sha.slice(0, 8)],
    ['CI_COMMIT_BEFORE_SHA', ref.beforeSha],
    ['CI_COMMIT_REF_NAME', ref.name],
    ['CI_COMMIT_REF_SLUG', slugOf(ref.name)],
    ['CI_COMMIT_REF_PROTECTED', String(!ref.isTag && ref.name === defaultBranch)],
  ]
  if (event === 'merge_request') values.push(...mergeRequest(ref.name, defaultBranch, path))
  else values.push([ref.isTag ? 'CI_COMMIT_TAG' : 'CI_COMMIT_BRANCH', ref.name])
  if (event === 'trigger') values.push(['CI_PIPELINE_TRIGGERED', 'true'])
  return values.map(([key, value]) => ({ key, value, origin: 'predefined' }))
}

function mergeRequest(source: string, target: string, path: string): [string, string][] {
  return [
    ['CI_MERGE_REQUEST_ID', '1'],
    ['CI_MERGE_REQUEST_IID', '1'],
    ['CI_MERGE_REQUEST_REF_PATH', 'refs/merge-requests/1/head'],
    ['CI_MERGE_REQUEST_PROJECT_PATH', path],
    ['CI_MERGE_REQUEST_SOURCE_PROJECT_PATH', path],
    ['CI_MERGE_REQUEST_SOURCE_BRANCH_NAME', source],
    ['CI_MERGE_REQUEST_TARGET_BRANCH_NAME', target],
    ['CI_MERGE_REQUEST_EVENT_TYPE', 'detached'],
  ]
}
