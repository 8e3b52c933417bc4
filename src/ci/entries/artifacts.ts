import {
  child,
  isString,
  type MapNode,
  type Mark,
  markOf,
  type Node,
  toPlain,
} from '../config/node.ts'
import { readDuration } from './duration.ts'
import {
  asMap,
  isBlank,
  onlyKeys,
  type Place,
  readBoolean,
  readChoice,
  readString,
  readStringOrStrings,
  readStrings,
  refuse,
  under,
} from './kit.ts'

export interface ArtifactsEntry {
  name?: string
  paths: string[]
  exclude: string[]
  untracked: boolean
  when: 'on_success' | 'on_failure' | 'always'
  expireIn?: string
  exposeAs?: string
  access?: string
  reports: Record<string, string[]>
  coverageReport?: { coverage_format: string; path: string }
  /** As written, for those who show the configuration. */
  raw: Record<string, unknown>
  mark: Mark
}

const keys = [
  'name',
  'untracked',
  'paths',
  'reports',
  'when',
  'expire_in',
  'expose_as',
  'exclude',
  'public',
  'access',
]

const reportKeys = [
  'accessibility',
  'annotations',
  'api_fuzzing',
  'browser_performance',
  'cluster_image_scanning',
  'codequality',
  'container_scanning',
  'coverage_fuzzing',
  'coverage_report',
  'cyclonedx',
  'dast',
  'dependency_scanning',
  'dotenv',
  'junit',
  'license_management',
  'license_scanning',
  'load_performance',
  'lsif',
  'metrics',
  'performance',
  'repository_xray',
  'requirements',
  'requirements_v2',
  'sarif',
  'sast',
  'secret_detection',
  'terraform',
]

const conditions = ['on_success', 'on_failure', 'always'] as const

/** `artifacts:`. */
export function readArtifacts(place: Place, node: Node): ArtifactsEntry | undefined {
  const map = asMap(place, node)
  if (!map) return undefined
  onlyKeys(place, map, keys)
  const isPublic = readBoolean(place, child(map, 'public'), 'public')
  const access = readChoice(place, child(map, 'access'), 'access', [
    'none',
    'developer',
    'maintainer',
    'all',
  ])
  if (child(map, 'public') && child(map, 'access')) {
    refuse(
      place,
      markOf(map, 'access'),
      'config these keys cannot be used together: access, public',
    )
  }
  const name = readString(place, child(map, 'name'), 'name')
  const paths = readStrings(place, child(map, 'paths'), 'paths')
  const exposeAs = readExposeAs(place, map, paths)
  const expireIn = readDuration(place, child(map, 'expire_in'), 'expire in', { never: true })?.text
  const reports = readReports(under(place, 'reports'), child(map, 'reports'))
  const chosen = access ?? (isPublic === false ? 'developer' : undefined)
  return {
    ...(name !== undefined && { name }),
    paths: paths ?? [],
    exclude: readStrings(place, child(map, 'exclude'), 'exclude') ?? [],
    untracked: readBoolean(place, child(map, 'untracked'), 'untracked') ?? false,
    when: readChoice(place, child(map, 'when'), 'when', conditions) ?? 'on_success',
    ...(expireIn !== undefined && { expireIn }),
    ...(exposeAs !== undefined && { exposeAs }),
    ...(chosen !== undefined && { access: chosen }),
    ...reports,
    raw: toPlain(map) as Record<string, unknown>,
    mark: map.mark,
  }
}

function readExposeAs(place: Place, map: MapNode, paths: string[] | undefined): string | undefined {
  const node = child(map, 'expose_as')
  const name = readString(place, node, 'expose as')
  if (node === undefined || name === undefined) return undefined
  if (isBlank(child(map, 'paths'))) refuse(place, node.mark, "paths can't be blank")
  if (paths?.some(path => path.includes('*'))) {
    refuse(place, markOf(map, 'paths'), "paths can't contain '*' when used with 'expose_as'")
  }
  if (name.length > 100) {
    return refuse(place, node.mark, 'expose as is too long (maximum is 100 characters)')
  }
  if (!/^\w[-\w ]*$/.test(name)) {
    return refuse(
      place,
      node.mark,
      "expose as can contain only letters, digits, '-', '_' and spaces",
    )
  }
  return name
}

function readReports(
  place: Place,
  node: Node | undefined,
): Pick<ArtifactsEntry, 'reports' | 'coverageReport'> {
  const map = node && asMap(place, node)
  if (!map) return { reports: {} }
  onlyKeys(place, map, reportKeys)
  const reports: [string, string[]][] = []
  let coverageReport: ArtifactsEntry['coverageReport']
  for (const key of map.entries.keys()) {
    const value = child(map, key)
    if (value === undefined || !reportKeys.includes(key)) continue
    if (key === 'coverage_report') {
      coverageReport = readCoverageReport(under(place, key), value)
      if (coverageReport) reports.push([key, [coverageReport.path]])
      continue
    }
    const paths = readStringOrStrings(place, value, key.replaceAll('_', ' '))
    if (paths) reports.push([key, paths])
  }
  return { reports: Object.fromEntries(reports), ...(coverageReport && { coverageReport }) }
}

function readCoverageReport(place: Place, node: Node): ArtifactsEntry['coverageReport'] {
  const map = asMap(place, node)
  if (!map) return undefined
  onlyKeys(place, map, ['coverage_format', 'path'])
  const format = child(map, 'coverage_format')
  const known = ['cobertura', 'jacoco']
  if (!isString(format) || !known.includes(format.value)) {
    const text = `coverage format must be one of supported formats: ${known.join(', ')}.`
    return refuse(place, format?.mark ?? map.mark, text)
  }
  const path = child(map, 'path')
  if (path === undefined) return refuse(place, map.mark, "path can't be blank")
  const text = readString(place, path, 'path')
  return text === undefined ? undefined : { coverage_format: format.value, path: text }
}
