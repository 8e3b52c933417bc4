import type { LintReport } from './report.ts'

/** The pipeline's jobs by stage, each with what it waits for. */
export function drawGraph(report: LintReport): string {
  const jobs = report.jobs.filter(job => job.included)
  const lines: string[] = []
  for (const stage of report.stages) {
    const ofStage = jobs.filter(job => job.stage === stage)
    if (ofStage.length === 0) continue
    if (lines.length > 0) lines.push('   │', '   ▼')
    lines.push(`┌─ ${stage}`)
    ofStage.forEach((job, at) => {
      const branch = at === ofStage.length - 1 ? '└─' : '├─'
      const needs = job.needs?.map(need => need.name)
      const waits =
        needs === undefined
          ? ''
          : needs.length === 0
            ? '  ◀ starts at once'
            : `  ◀ ${needs.join(', ')}`
      const when = job.when === 'on_success' ? '' : ` (${job.when})`
      lines.push(`${branch} ${job.name}${when}${waits}`)
    })
  }
  return lines.join('\n')
}
