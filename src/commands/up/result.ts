import type { DemoResult } from './demo.ts'

const page = '/pozos/api/v1.0/get_student_ages'

/** What is live, and what to try next. */
export function describeResult(
  apps: readonly DemoResult[],
  url: string,
  passwordFile: string,
): string {
  const { host } = new URL(url)
  const rows = apps.map(app => [
    app.answers ? '✓' : '✗',
    app.name,
    app.branch,
    app.release === undefined ? 'no release' : `v${app.release.version} ${app.release.description}`,
    app.text,
  ])
  const head = ['', 'app', 'branch', 'release', 'answers']
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map(row => [...row[column]!].length)),
  )
  const line = (row: readonly string[]) =>
    `  ${row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd()}`
  const first = apps[0]?.name ?? 'app'
  return [
    '',
    line(head),
    ...rows.map(line),
    '',
    'Try next:',
    `  curl -u toto:python http://${apps.at(-1)?.name ?? first}.${host}${page}`,
    `  git clone http://root@${host}/pozos/student-list.git      # change something, push to staging`,
    `  curl -H "PRIVATE-TOKEN: …" ${url}/api/v4/projects/pozos%2Fstudent-list/pipelines`,
    `  HEROKU_HOST=${url} HEROKU_API_KEY=… heroku releases --app ${first}`,
    `  root's password: ${passwordFile}`,
    '',
  ].join('\n')
}
