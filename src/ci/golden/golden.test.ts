/**
 * Golden cases: `NAME.case` holds several, each
 *
 *   ### title
 *   # simulate: {"ref": "main"}        (optional JSON, see lint/event.ts)
 *   # file ci/x.yml: |                 (optional files of the repository, indented by two)
 *   the configuration
 *   =====
 *   what is expected, as YAML:
 *     runs: exact names of the jobs in the pipeline, in order
 *     jobs: { name: part of its description }
 *     errors / warnings: exact messages, in order
 *     anything else: part of the report
 */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { SourceReader } from '../context.ts'
import { lint, simulatedContext } from '../lint/index.ts'

const folder = new URL('.', import.meta.url)

interface Case {
  title: string
  text: string
  simulation: Record<string, unknown>
  files: ReadonlyMap<string, string>
  expected: Record<string, unknown>
}

function readCases(file: string): Case[] {
  const content = readFileSync(new URL(file, folder), 'utf8')
  return content
    .split(/^### /m)
    .slice(1)
    .map(block => {
      const title = block.slice(0, block.indexOf('\n'))
      const [input, expected] = block.slice(block.indexOf('\n') + 1).split(/^=====\n/m)
      if (expected === undefined) throw new Error(`${file}: ${title} has no divider`)
      return { title, ...readInput(input!), expected: parse(expected) ?? {} }
    })
}

function readInput(input: string): Pick<Case, 'text' | 'simulation' | 'files'> {
  const simulation = /^# simulate: (.*)$/m.exec(input)?.[1]
  const files = [...input.matchAll(/^# file (\S+): \|\n((?:(?: {2}.*)?\n)*?)(?=\S)/gm)]
  let text = input
  for (const [whole] of files) text = text.replace(whole, '')
  return {
    text: text.replace(/^# simulate: .*\n/m, ''),
    simulation: simulation === undefined ? {} : JSON.parse(simulation),
    files: new Map(files.map(([, name, body]) => [name!, body!.replace(/^ {2}/gm, '')])),
  }
}

/** The case's files are this project's, and `other/project`'s under `other/`. */
function reader(files: ReadonlyMap<string, string>): SourceReader {
  const other = (path: string) => files.get(`other/${path}`)
  return {
    read: async path => files.get(path),
    paths: async () => [...files.keys()],
    project: async (path, ref) => {
      if (path !== 'other/project') return 'no_project'
      if (ref !== undefined && !['main', '1.2.0', '1.10.0', '2.0.0'].includes(ref)) return 'no_ref'
      return {
        sha: 'c'.repeat(40),
        read: async file => other(file),
        paths: async () =>
          [...files.keys()].flatMap(key => (key.startsWith('other/') ? [key.slice(6)] : [])),
        tags: async () => ['1.2.0', '1.10.0', '2.0.0', '3.0.0-rc1'],
      }
    },
    remote: async url => {
      const text = files.get(url)
      return text === undefined ? { reason: 'HTTP code `404` error' } : { text }
    },
    template: async () => undefined,
  }
}

for (const file of readdirSync(folder).filter(name => name.endsWith('.case'))) {
  describe(file, () => {
    it.each(readCases(file).map(one => [one.title, one] as const))('%s', async (_title, one) => {
      const context = simulatedContext({ ...one.simulation, reader: reader(one.files) })
      const report = await lint(one.text, context)
      const { runs, jobs, errors, warnings, ...rest } = one.expected
      const messages = (list: { message: string }[]) => list.map(problem => problem.message)
      expect(messages(report.errors)).toEqual(errors ?? [])
      if (warnings !== undefined) expect(messages(report.warnings)).toEqual(warnings)
      if (runs !== undefined) {
        expect(report.jobs.filter(job => job.included).map(job => job.name)).toEqual(runs)
      }
      const byName = Object.fromEntries(report.jobs.map(job => [job.name, job]))
      if (jobs !== undefined) expect(byName).toMatchObject(jobs as object)
      expect(report).toMatchObject(rest)
    })
  })
}
