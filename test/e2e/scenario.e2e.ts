/** The whole scenario as a newcomer meets it: `slipway up`, from an empty data directory to two live apps, with the stock git and docker. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { removeInstance } from '../support/engine.ts'
import { run } from '../support/programs.ts'
import { freePort, until } from '../support/server.ts'

const program = fileURLToPath(new URL('../../bin/slipway', import.meta.url))
let data: string
let port: number

const up = (...more: string[]) =>
  run(program, ['up', '--data', data, '--listen', `127.0.0.1:${port}`, ...more], {
    timeoutMs: 280_000,
  })

beforeAll(async () => {
  data = mkdtempSync(path.join(tmpdir(), 'slipway-up-'))
  port = await freePort()
})

afterAll(async () => {
  await removeInstance(data, port)
  rmSync(data, { recursive: true, force: true })
})

describe('slipway up', () => {
  it('stops in order on Ctrl-C in the middle, and leaves nothing running', async () => {
    const child = spawn(program, ['up', '--data', data, '--listen', `127.0.0.1:${port}`], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', chunk => {
        output += chunk
      })
    }
    const exit = new Promise<number | null>(resolve => child.once('exit', resolve))
    await until('the project', async () => output.includes('✓ Project'), 120_000)
    child.kill('SIGINT')
    expect(await exit).toBe(130)
    expect(output).toContain('goes on from there')
    await expect(fetch(`http://127.0.0.1:${port}/-/health`)).rejects.toThrow()
  })

  it('goes on where it was, and takes the sample to production', async () => {
    const result = await up('--exit')
    expect(result.stdout + result.stderr).toContain('✓ Apps answer')
    expect(result.stdout).toMatch(
      /✓ {2}student-list-staging +staging +v\d+ Deployed web \([0-9a-f]{12}\)/,
    )
    expect(result.stdout).toMatch(/✓ {2}student-list-production +master +v\d+ Deployed web/)
    expect(result.exitCode).toBe(0)
  })

  it('finds everything in place the second time', async () => {
    const result = await up('--exit')
    expect(result.stdout).toContain('pozos/student-list is there')
    expect(result.stdout).toMatch(
      /master: test ✓ → release-prod ✓ {3}testing: test ✓ {3}staging: test ✓ → release-staging ✓/,
    )
    expect(result.exitCode).toBe(0)
  })

  it('only serves with --no-demo', async () => {
    const result = await up('--no-demo', '--exit')
    expect(result.stdout).toContain('✓ Slipway serves')
    expect(result.stdout).not.toContain('Pipelines')
    expect(result.exitCode).toBe(0)
  })
})
