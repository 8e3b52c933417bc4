/**
 * Measures a real Slipway on a real Docker Engine: boot, idle memory, push → container, output → reader.
 * Usage: script/bench [boot] [memory] [push] [output]   default: all. Prints a table, then the same as JSON.
 */
import { spawn } from 'node:child_process'
import { cpus, loadavg, totalmem } from 'node:os'
import { createInterface } from 'node:readline'
import { seedImages } from '../test/support/engine.ts'
import { ciFile, createProject } from '../test/support/project.ts'
import { instanceOf, rootToken, startServer, type TestServer } from '../test/support/server.ts'
import { residentMb, type Summary, summarize, uptimeMs } from './measure.ts'

const boots = 10
const pushes = 20
const ticks = 200
const idleMs = 10_000

interface Result {
  name: string
  unit: 'ms' | 'MB'
  target: string
  values: Summary
}

const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** Process start → first HTTP 200. */
async function boot(server: TestServer): Promise<Result> {
  const values: number[] = []
  for (let round = 0; round < boots; round++) {
    await server.stop()
    const start = performance.now()
    const started = server.start()
    while (!(await fetch(`${server.url}/-/health`).catch(() => undefined))?.ok) await sleep(5)
    values.push(performance.now() - start)
    await started
  }
  return { name: 'boot → first answer', unit: 'ms', target: '< 1000', values: summarize(values) }
}

async function memory(server: TestServer): Promise<Result> {
  await server.stop()
  await server.start()
  await sleep(idleMs)
  const values = summarize([residentMb(server.data)])
  return { name: 'idle memory (RSS)', unit: 'MB', target: '< 150', values }
}

/** The pipeline's creation, while git still waits → the engine reports the first container of the job as created. */
async function push(server: TestServer): Promise<Result> {
  const label = `label=slipway.instance=${instanceOf(server)}`
  const events = spawn('docker', [
    'events',
    '--filter',
    'event=create',
    '--filter',
    'type=container',
    '--filter',
    label,
    '--format',
    '{{.TimeNano}}',
  ])
  const created: number[] = []
  createInterface({ input: events.stdout }).on('line', line => created.push(Number(line) / 1e6))
  const project = await createProject(server, 'root/bench-push')
  const values: number[] = []
  try {
    await sleep(500)
    for (let round = 0; round < pushes; round++) {
      await project.push({
        '.gitlab-ci.yml': ciFile({ hello: { script: ['true'] } }),
        round: `${round}`,
      })
      const pipeline = await project.pipeline('master')
      if (pipeline.status !== 'success')
        throw new Error(`pipeline ${pipeline.id} ${pipeline.status}`)
      const { created_at: at } = await server.api<{ created_at: string }>(
        'GET',
        `/projects/root%2Fbench-push/pipelines/${pipeline.id}`,
      )
      const first = created.find(one => one >= Date.parse(at))
      if (first !== undefined) values.push(first - Date.parse(at))
    }
  } finally {
    events.kill()
    project.remove()
  }
  return {
    name: 'push accepted → first container of the job created',
    unit: 'ms',
    target: 'p99 < 100 to ask for it',
    values: summarize(values),
  }
}

/** A job prints the uptime it sees; a reader of the live log compares it with the uptime at which the line arrives. */
async function output(server: TestServer): Promise<Result> {
  const project = await createProject(server, 'root/bench-output')
  const values: number[] = []
  try {
    const script = [
      'sleep 3',
      `for i in $(seq ${ticks}); do read up rest < /proc/uptime; echo "tick $up"; sleep 0.05; done`,
    ]
    await project.push({ '.gitlab-ci.yml': ciFile({ ticks: { script } }) })
    const job = await project.job('ticks', 'running')
    const response = await fetch(
      `${server.url}/api/v4/projects/root%2Fbench-output/jobs/${job.id}/trace/stream`,
      { headers: { 'private-token': rootToken, accept: 'text/event-stream' } },
    )
    const decoder = new TextDecoder()
    let text = ''
    for await (const chunk of response.body!) {
      const arrivedAt = uptimeMs()
      text += decoder.decode(chunk, { stream: true })
      let rest = 0
      for (const tick of text.matchAll(/(?:^|[\n"nm])tick (\d+\.\d\d)/g)) {
        values.push(Math.max(arrivedAt - Number(tick[1]) * 1000, 0))
        rest = tick.index + tick[0].length
      }
      text = text.slice(Math.max(rest, text.length - 40))
      if (values.length >= ticks) break
    }
    await project.job('ticks')
  } finally {
    project.remove()
  }
  return { name: 'job output → reader', unit: 'ms', target: 'p95 < 150', values: summarize(values) }
}

function show(results: readonly Result[]): void {
  const number = (value: number) => value.toFixed(value < 10 ? 1 : 0)
  console.log(
    '| measure | n | p50 | p95 | p99 | max | target |\n| --- | --- | --- | --- | --- | --- | --- |',
  )
  for (const {
    name,
    unit,
    target,
    values: { count, p50, p95, p99, max },
  } of results)
    console.log(
      `| ${name} | ${count} | ${number(p50)} ${unit} | ${number(p95)} | ${number(p99)} | ${number(max)} | ${target} |`,
    )
  const [cpu] = cpus()
  console.log(
    `\n${new Date().toISOString()}, Node ${process.version}, ${cpus().length} × ${cpu?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, load average ${loadavg()[0]?.toFixed(1)}`,
  )
  console.log(JSON.stringify(results))
}

const measures = { boot, memory, push, output }
const wanted = process.argv.slice(2)
const unknown = wanted.filter(name => !(name in measures))
if (unknown.length > 0) {
  console.error(
    `unknown measure ${unknown.join(', ')}; there are: ${Object.keys(measures).join(', ')}`,
  )
  process.exit(2)
}
// no upstream: what is measured doesn't depend on the internet
const server = await startServer({ env: { SLIPWAY_MIRROR_UPSTREAM: 'none' } })
try {
  await seedImages(server, ['busybox'])
  const results: Result[] = []
  for (const [name, measure] of Object.entries(measures))
    if (wanted.length === 0 || wanted.includes(name)) results.push(await measure(server))
  show(results)
} finally {
  await server.stop()
  await server.remove()
}
