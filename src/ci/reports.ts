/** `artifacts:reports`: under which name and in which format the runner sends each (GitLab's `Enums::Ci::JobArtifact`). */
export interface ReportFile {
  name: string
  format: 'gzip' | 'raw' | 'zip'
  /** The artifact's type where it isn't the keyword. */
  type?: string
}

/** By keyword. */
export const reportFiles: Readonly<Record<string, ReportFile>> = {
  junit: { name: 'junit.xml', format: 'gzip' },
  dotenv: { name: '.env', format: 'gzip' },
  metrics: { name: 'metrics.txt', format: 'gzip' },
  cobertura: { name: 'cobertura-coverage.xml', format: 'gzip' },
  jacoco: { name: 'jacoco-coverage.xml', format: 'gzip' },
  cyclonedx: { name: 'gl-sbom.cdx.json', format: 'gzip' },
  annotations: { name: 'gl-annotations.json', format: 'gzip' },
  repository_xray: { name: 'gl-repository-xray.json', format: 'gzip' },
  lsif: { name: 'lsif.json', format: 'zip' },
  accessibility: { name: 'gl-accessibility.json', format: 'raw' },
  api_fuzzing: { name: 'gl-api-fuzzing-report.json', format: 'raw' },
  browser_performance: { name: 'browser-performance.json', format: 'raw' },
  codequality: { name: 'gl-code-quality-report.json', format: 'raw' },
  container_scanning: { name: 'gl-container-scanning-report.json', format: 'raw' },
  coverage_fuzzing: { name: 'gl-coverage-fuzzing.json', format: 'raw' },
  dast: { name: 'gl-dast-report.json', format: 'raw' },
  dependency_scanning: { name: 'gl-dependency-scanning-report.json', format: 'raw' },
  license_scanning: { name: 'gl-license-scanning-report.json', format: 'raw' },
  load_performance: { name: 'load-performance.json', format: 'raw' },
  performance: { name: 'performance.json', format: 'raw' },
  requirements: { name: 'requirements.json', format: 'raw' },
  requirements_v2: { name: 'requirements_v2.json', format: 'raw' },
  sarif: { name: 'gl-sarif-report.json', format: 'raw' },
  sast: { name: 'gl-sast-report.json', format: 'raw' },
  secret_detection: { name: 'gl-secret-detection-report.json', format: 'raw' },
  terraform: { name: 'tfplan.json', format: 'raw' },
}

/** What a dotenv report sets, or why it isn't one: no comments, no blank lines, no quotes are removed. */
export function parseDotenv(
  text: string,
  maxVariables: number,
): { variables: { key: string; value: string }[] } | { problem: string } {
  const variables = new Map<string, string>()
  const lines = text.replace(/\r?\n$/, '').split(/\r?\n/)
  for (const line of text === '' ? [] : lines) {
    const match = /^\s*([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)$/.exec(line)
    if (!match) return { problem: 'Invalid Format' }
    variables.set(match[1]!, match[2]!.trim())
  }
  if (variables.size > maxVariables) {
    return { problem: `Dotenv files cannot have more than ${maxVariables} variables` }
  }
  return { variables: [...variables].map(([key, value]) => ({ key, value })) }
}
