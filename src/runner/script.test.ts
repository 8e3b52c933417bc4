import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { quote, stageScript } from './script.ts'
import type { ResolvedVariable } from './variables.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipway-script-'))
})
afterEach(() => {
  for (const path of [directory, `${directory}.tmp`]) rmSync(path, { recursive: true, force: true })
})

const run = (shell: string[], commands: string[], values: Record<string, string> = {}) => {
  const entries = Object.entries(values).map(([key, value]): [string, ResolvedVariable] => [
    key,
    { key, value, public: true, masked: false },
  ])
  const input = stageScript({ variables: new Map(entries), projectDir: directory, commands })
  const result = spawnSync(shell[0]!, shell.slice(1), { input, encoding: 'utf8' })
  return { exitCode: result.status, out: result.stdout, err: result.stderr }
}

describe.each([
  ['bash', ['bash']],
  ['sh', ['sh']],
])('a script in %s', (_, shell) => {
  it('echoes each command, keeps its state between them, and has no input', () => {
    const { out, exitCode } = run(shell, ['X=1', 'echo "X is $X"', 'cat', '', 'echo a\necho b'])
    expect(exitCode).toBe(0)
    expect(out).toBe(
      [
        '\x1b[32;1m$ X=1\x1b[0;m',
        '\x1b[32;1m$ echo "X is $X"\x1b[0;m',
        'X is 1',
        '\x1b[32;1m$ cat\x1b[0;m',
        '',
        '\x1b[32;1m$ echo a # collapsed multi-line command\x1b[0;m',
        'a\nb\n',
      ].join('\n'),
    )
  })

  it('ends with the code of the first command that fails', () => {
    expect(run(shell, ['true', '(exit 7)', 'echo never'])).toMatchObject({ exitCode: 7 })
    expect(run(shell, ['exit 0', 'echo never'])).toMatchObject({ exitCode: 0 })
    expect(run(shell, ['no-such-command-at-all']).exitCode).toBe(127)
    expect(run(shell, ["echo 'open"]).exitCode).not.toBe(0)
  })

  it('gives variables through exactly, whatever is in them', () => {
    const values = { A: `it's "$HOME" \`x\` \\n\n$(exit 1)`, B: 'é€😀\t', 'NOT-A-NAME': 'x' }
    const { out } = run(shell, [`printf '%s|%s|' "$A" "$B"`], values)
    expect(out).toContain(`${values.A}|${values.B}|`)
  })

  it('hands lines of $GITLAB_ENV to the next stage', () => {
    run(shell, ['echo "FROM=stage one" >> $GITLAB_ENV', 'echo "bad line" >> $GITLAB_ENV'])
    expect(run(shell, ['echo "[$FROM]"']).out).toContain('\n[stage one]\n')
  })
})

it('fails for a command in the middle of a pipe where the shell can', () => {
  expect(run(['bash'], ['false | cat']).exitCode).toBe(1)
})

it('quotes for every shell', () => {
  expect(quote("a'b\0")).toBe("'a'\\''b'")
})
