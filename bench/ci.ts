/** Speed of the CI compiler. `node bench/ci.ts` prints medians and worst stalls of the event loop; numbers for docs/benchmarks.md. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileHere } from '../src/ci/compile-here.ts'
import { type CompileContext, compile, simulatedContext } from '../src/ci/index.ts'

const context: CompileContext = simulatedContext({})

function lines(count: number): string {
  const jobs = Array.from(
    { length: Math.floor(count / 10) },
    (_, at) => `job-${at}:
  extends: .base
  stage: test
  variables:
    NAME: value-${at}
  script:
    - echo "line one of ${at}"
    - make test TARGET=$NAME
  rules:
    - if: $CI_COMMIT_BRANCH == "main"`,
  )
  return `stages: [build, test]\n.base: {image: node, tags: [docker]}\n${jobs.join('\n')}\n`
}

const matrix = `.base:
  image: node
  script: [echo $A $B]
${Array.from({ length: 25 }, (_, at) => `m${at}:\n  extends: .base\n  parallel:\n    matrix: [{A: [${Array.from({ length: 20 }, (_, i) => i)}], B: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}]`).join('\n')}
`

const deep = `a0: &a0 [x]\n${Array.from({ length: 40 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i},*a${i},*a${i}]`).join('\n')}\n`

async function measure(name: string, work: () => Promise<unknown>, rounds: number): Promise<void> {
  const times: number[] = []
  let stall = 0
  for (let round = 0; round < rounds; round++) {
    let last = performance.now()
    const ticker = setInterval(() => {
      const now = performance.now()
      stall = Math.max(stall, now - last - 1)
      last = now
    }, 1)
    try {
      await new Promise(resolve => setTimeout(resolve, 5))
      const started = performance.now()
      await work()
      times.push(performance.now() - started)
      await new Promise(resolve => setTimeout(resolve, 5))
    } finally {
      clearInterval(ticker)
    }
  }
  const sorted = [...times].sort((a, b) => a - b)
  const show = (ms: number) => `${ms.toFixed(1)} ms`.padStart(11)
  console.log(
    `${name.padEnd(46)} first ${show(times[0]!)}  median ${show(sorted[Math.floor(rounds / 2)]!)}  stall ${show(stall)}`,
  )
}

const small = 'test:\n  script: echo\n'
const large = lines(2000)
await measure('2,000 lines, on this thread', () => compileHere(large, context), 9)
await measure('2,000 lines, as the server compiles them', () => compile(large, context), 9)
await measure('5,000 jobs by matrix and extends', () => compile(matrix, context), 9)
await measure('a bomb of aliases', () => compile(deep, context), 9)
await measure('a small file', () => compile(small, context), 50)

const folder = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
try {
  writeFileSync(join(folder, '.gitlab-ci.yml'), small)
  const program = new URL('../src/main.ts', import.meta.url).pathname
  await measure(
    'slipway lint, a whole process',
    async () => execFileSync(process.execPath, [program, 'lint', folder], { stdio: 'pipe' }),
    7,
  )
} catch {
  console.log('slipway lint isn’t wired into the program yet')
} finally {
  rmSync(folder, { recursive: true })
}
