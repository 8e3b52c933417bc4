import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lintCommand } from './lint.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-lint-'))
  await mkdir(join(folder, 'project/ci'), { recursive: true })
  await mkdir(join(folder, 'project/.git'))
  await writeFile(join(folder, 'outside.yml'), 'leak: {script: x}')
  await symlink(join(folder, 'outside.yml'), join(folder, 'project/link.yml'))
  await writeFile(join(folder, 'project/ci/part.yml'), 'part: {script: echo part}')
  await writeFile(
    join(folder, 'project/.gitlab-ci.yml'),
    'include: ci/part.yml\nvariables: {A: x}\ntest:\n  script: echo\n  rules:\n    - if: $CI_COMMIT_TAG\n    - if: $A == "y"\n      when: manual\n',
  )
})
afterAll(() => rm(folder, { recursive: true }))

async function run(args: string[], stdin = '') {
  const result = { code: 0, out: '', err: '' }
  const command = lintCommand({
    stdin: (async function* () {
      yield Buffer.from(stdin)
    })(),
    print: text => {
      result.out += `${text}\n`
    },
    printError: text => {
      result.err += `${text}\n`
    },
    setExitCode: code => {
      result.code = code
    },
    leave: (code, error) => {
      result.code = code
      throw error
    },
  }).configureOutput({
    writeErr: text => {
      result.err += text
    },
  })
  await command.parseAsync(args, { from: 'user' }).catch(error => {
    if (error.code === undefined) throw error
  })
  return result
}

const project = () => join(folder, 'project')

describe('slipway lint', () => {
  it('says what an event would run', async () => {
    const { code, out } = await run([project()])
    expect(code).toBe(0)
    expect(out).toBe('valid; this event would run:\n  ✔ test / part\n  · test / test (left out)\n')
  })

  it('simulates tags, variables and merge requests', async () => {
    expect((await run([project(), '--tag', 'v1'])).out).toContain('✔ test / test\n')
    expect((await run([project(), '--var', 'A=y'])).out).toContain('✔ test / test (manual)')
    expect((await run([project(), '--event', 'merge_request'])).out).toContain('makes no pipeline')
  })

  it('points at problems with a caret and a hint, and exits with 1', async () => {
    const { code, err, out } = await run(['-'], 'test:\n  scirpt: x\n  script: y\n')
    expect(code).toBe(1)
    expect(out).toBe('invalid: 1 error\n')
    expect(err).toBe(
      [
        '.gitlab-ci.yml:2:3: error: jobs:test config contains unknown keys: scirpt',
        '  1 │ test:',
        '  2 │   scirpt: x',
        '    │   ^',
        '  hint: did you mean `script`?',
        '',
      ].join('\n'),
    )
  })

  it('prints the public JSON form', async () => {
    const { code, out } = await run(
      ['-', '--format', 'json'],
      'stages: [a]\nj: {stage: a, script: [x], parallel: 2}',
    )
    expect(code).toBe(0)
    const report = JSON.parse(out)
    expect(Object.keys(report)).toEqual([
      'valid',
      'errors',
      'warnings',
      'stages',
      'root_variables',
      'workflow',
      'jobs',
    ])
    expect(report.jobs[1]).toEqual({
      name: 'j 2/2',
      stage: 'a',
      stage_index: 1,
      when: 'on_success',
      allow_failure: false,
      scheduling: 'stage',
      only_refs: ['branches', 'tags'],
      script: ['x'],
      job_variables: {},
      parallel: { total: 2, instance: 2 },
      included: true,
      why: [
        {
          at: 'only:refs',
          text: 'branches, tags',
          matched: true,
          detail: 'branch main is covered by branches',
          line: 2,
        },
      ],
    })
  })

  it('explains a job and its variables', async () => {
    const { out } = await run([project(), '--explain', 'test', '--var', 'A=z'])
    expect(out).toContain('test is not in the pipeline\n')
    expect(out).toContain('✘ rules[1]  if: $A == "y", when: manual  (line 7)')
    expect(out).toContain('$A == "y" → false')
    expect(out).toContain('A=z  (pipeline, over variables)')
  })

  it('draws the graph and prints the merged file', async () => {
    const text =
      'a: {stage: build, script: x}\nb: {script: x, needs: [a]}\nc: {stage: deploy, script: x, when: manual}'
    expect((await run(['-', '--graph'], text)).out).toBe(
      '┌─ build\n└─ a\n   │\n   ▼\n┌─ test\n└─ b  ◀ a\n   │\n   ▼\n┌─ deploy\n└─ c (manual)\n',
    )
    expect((await run([project(), '--merged'])).out).toMatch(
      /^part:\n {2}script: echo part\nvariables:\n/,
    )
  })

  it('evaluates one expression', async () => {
    expect(JSON.parse((await run(['--eval', '$A == "x"', '--var', 'A=x'])).out).value).toBe(true)
    expect(JSON.parse((await run(['--eval', '$A'])).out).value).toBeNull()
    const wrong = await run(['--eval', '$A = "x"'])
    expect(wrong.code).toBe(1)
    expect(JSON.parse(wrong.out)).toEqual({
      error: { message: 'Invalid expression syntax', column: 4, hint: 'compare with `==`' },
    })
  })

  it.each([
    [['/nowhere/at/all'], 'does not exist'],
    [['--format', 'xml'], 'choices'],
    [['--bad'], 'unknown option'],
    [['--var', 'novalue'], 'KEY=VALUE'],
  ])('exits with 2 on misuse: %j', async (args, text) => {
    const { code, err } = await run(args)
    expect(code).toBe(2)
    expect(err).toContain(text)
  })

  it('reads nothing outside the working copy', async () => {
    for (const path of ['../outside.yml', 'link.yml']) {
      await writeFile(join(project(), 'x.yml'), `include: ${path}\nj: {script: x}`)
      const { code, err } = await run([join(project(), 'x.yml')])
      expect(code).toBe(1)
      expect(err).toContain(`Local file \`${path}\` does not exist!`)
    }
  })
})
