/** `slipway lint`: check a pipeline and see what would run, without pushing. */
import { Command, InvalidArgumentError, Option } from 'commander'
import type { LintProblem, LintReport, SimulatedEvent, Simulation } from '../ci/index.ts'
import { Failure } from '../lib/index.ts'

const events = [
  'push',
  'tag',
  'merge_request',
  'schedule',
  'web',
  'api',
  'trigger',
  'pipeline',
  'parent_pipeline',
]

interface LintOptions {
  format: 'text' | 'json'
  merged?: true
  graph?: true
  explain?: string
  event?: SimulatedEvent
  ref?: string
  tag?: string
  var: { key: string; value: string }[]
  input: { key: string; value: string }[]
  changed?: string[] | true
  beforeSha?: string
  defaultBranch?: string
  project?: string
  eval?: string
}

/** Where the command reads and writes. */
export interface LintStreams {
  stdin: AsyncIterable<Buffer>
  print(text: string): void
  printError(text: string): void
  setExitCode(code: 0 | 1 | 2): void
  /** After the command's help or a misuse of its options: nothing more is done. */
  leave(code: 0 | 2, error: Error): never
}

const processStreams: LintStreams = {
  stdin: process.stdin,
  print: text => void process.stdout.write(`${text}\n`),
  printError: text => void process.stderr.write(`${text}\n`),
  setExitCode: code => {
    process.exitCode = code
  },
  leave: code => process.exit(code),
}

export function lintCommand(streams: LintStreams = processStreams): Command {
  return new Command('lint')
    .description('check a .gitlab-ci.yml and see which jobs an event would run, and why')
    .argument('[path]', 'file, directory, or - for standard input', '.')
    .addOption(
      new Option('--format <form>', 'text, or json (docs/lint.md)')
        .choices(['text', 'json'])
        .default('text'),
    )
    .option('--merged', 'print the configuration after includes, extends and references')
    .option('--graph', 'draw the jobs and what each waits for')
    .option(
      '--explain <job>',
      'why the job is or is not in the pipeline, and where its variables come from',
    )
    .addOption(new Option('--event <event>', 'event to simulate (default: push)').choices(events))
    .option('--ref <branch>', 'branch (default: main)')
    .option('--tag <name>', 'simulate this tag instead of a branch')
    .option('--var <K=V>', 'a pipeline variable; may be repeated', pair, [])
    .option('--input <K=V>', 'a value for spec:inputs (JSON or text); may be repeated', pair, [])
    .option('--changed [path...]', 'files that the event changed (none: an empty list)')
    .option('--before-sha <sha>', 'the previous head of the branch')
    .option('--default-branch <branch>', "the project's default branch (default: main)")
    .option('--project <path>', "the project's path (default: group/project)")
    .option('--eval <expression>', 'evaluate one rules:if expression with --var, and print JSON')
    .addHelpText('after', help)
    .exitOverride(error => streams.leave(error.exitCode === 0 ? 0 : 2, error))
    .action(async (path: string, options: LintOptions) => {
      try {
        streams.setExitCode(await run(path, options, streams))
      } catch (error) {
        if (!(error instanceof Failure)) throw error
        streams.printError(`slipway lint: ${error.message}${error.hint ? `\n  ${error.hint}` : ''}`)
        streams.setExitCode(2)
      }
    })
}

const help = `
Exit code: 0 valid, 1 invalid, 2 misuse. Nothing is fetched from the network.

  slipway lint                                      .gitlab-ci.yml of this directory, on a push to main
  slipway lint --event merge_request --ref topic    what a merge request from topic would run
  slipway lint --tag v1.2.0 --explain deploy        why deploy would run on a tag, or not
  slipway lint --eval '$CI_COMMIT_TAG =~ /^v/' --var CI_COMMIT_TAG=v1`

function pair(
  text: string,
  before: { key: string; value: string }[],
): { key: string; value: string }[] {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Write KEY=VALUE.')
  return [...before, { key: text.slice(0, at), value: text.slice(at + 1) }]
}

/** The compiler is loaded only now, so that other commands start without it. */
async function run(path: string, options: LintOptions, streams: LintStreams): Promise<0 | 1 | 2> {
  const ci = await import('../ci/lint/index.ts')
  if (options.eval !== undefined) {
    const result = ci.evaluateExpression(options.eval, options.var)
    streams.print(JSON.stringify(result, null, 2))
    return 'error' in result ? 1 : 0
  }
  const { readTarget, workingCopyReader } = await import('./lint-files.ts')
  const target = await readTarget(path, streams.stdin)
  const reader = workingCopyReader(target.root)
  const context = ci.simulatedContext({ ...simulation(options), file: target.name, reader })
  const { report, mergedYaml, analysis } = await ci.lintMerged(target.text, context)
  const variables =
    options.explain === undefined
      ? undefined
      : ci.explainVariables(options.explain, analysis, context)
  if (options.explain !== undefined && report.valid && !variables) {
    throw new Failure('not_found', `There is no job ${options.explain}`, {
      hint: report.jobs.map(job => job.name).join(', '),
    })
  }
  if (options.format === 'json') {
    const extra = {
      ...(options.merged && { merged_yaml: mergedYaml }),
      ...(variables && { variables }),
    }
    streams.print(JSON.stringify({ ...report, ...extra }, null, 2))
    return report.valid ? 0 : 1
  }
  const shown = async (file: string) => (file === target.name ? target.text : reader.read(file))
  for (const problem of [...report.errors, ...report.warnings]) {
    const severity = report.errors.includes(problem) ? 'error' : 'warning'
    streams.printError(problemText(severity, problem, await shown(problem.file), ci.excerpt))
  }
  if (options.merged && mergedYaml !== undefined) streams.print(mergedYaml.trimEnd())
  else if (options.graph && report.valid) streams.print(ci.drawGraph(report))
  else if (variables && options.explain !== undefined) {
    streams.print(explanation(options.explain, report, variables))
  } else streams.print(summary(report))
  return report.valid ? 0 : 1
}

function simulation(options: LintOptions): Simulation {
  return {
    event: options.event ?? (options.tag !== undefined ? 'tag' : undefined),
    ref: options.tag ?? options.ref,
    tag: options.tag !== undefined,
    defaultBranch: options.defaultBranch,
    beforeSha: options.beforeSha,
    projectPath: options.project,
    changed: options.changed === true ? [] : options.changed,
    variables: options.var,
    inputs: Object.fromEntries(options.input.map(({ key, value }) => [key, inputValue(value)])),
  }
}

/** `3`, `true` and `["a"]` are values of their kind; everything else is text. */
function inputValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function problemText(
  severity: string,
  problem: LintProblem,
  text: string | undefined,
  excerpt: (text: string, place: LintProblem) => string,
): string {
  const { file, line, column, message, hint } = problem
  const head = `${file}:${line}:${column}: ${severity}: ${message}`
  return [head, text && excerpt(text, problem), hint && `  hint: ${hint}`]
    .filter(Boolean)
    .join('\n')
}

function summary(report: LintReport): string {
  const count = report.errors.length
  if (!report.valid) return `invalid: ${count} ${count === 1 ? 'error' : 'errors'}`
  if (!report.workflow.created)
    return `valid; this event makes no pipeline: ${report.workflow.reason}`
  const lines = report.jobs.map(job => {
    const mark = job.included ? '✔' : '·'
    const when = !job.included ? 'left out' : job.when === 'on_success' ? '' : job.when
    return `  ${mark} ${job.stage} / ${job.name}${when && ` (${when})`}`
  })
  return ['valid; this event would run:', ...lines].join('\n')
}

function explanation(
  name: string,
  report: LintReport,
  variables: readonly { key: string; value: string; from: string; overrides: string[] }[],
): string {
  const job = report.jobs.find(one => one.name === name)!
  const steps = job.why.flatMap(step => [
    `  ${step.matched ? '✔' : '✘'} ${step.at}  ${step.text}${step.line ? `  (line ${step.line})` : ''}`,
    ...(step.detail ? [`      ${step.detail}`] : []),
  ])
  const origins = variables.map(one => {
    const over = one.overrides.length > 0 ? `, over ${one.overrides.join(', ')}` : ''
    return `  ${one.key}=${one.value}  (${one.from}${over})`
  })
  const verdict = job.included ? `is in the pipeline (when: ${job.when})` : 'is not in the pipeline'
  return [`${name} ${verdict}`, ...steps, 'variables:', ...origins].join('\n')
}
