import { describe, expect, it } from 'vitest'
import { jobPayload } from '../../test/support/memory-coordinator.ts'
import type { JobVariable } from '../protocol/index.ts'
import {
  environmentOf,
  expand,
  maskedValues,
  projectDirectory,
  resolveVariables,
  withVariables,
} from './variables.ts'

const projectDir = '/builds/pozos/student-list'
const variable = (key: string, value: string, more: Partial<JobVariable> = {}): JobVariable => ({
  ...{ key, value, public: true, masked: false, ...more },
})
const resolve = (...variables: JobVariable[]) =>
  resolveVariables(jobPayload(1, [], { variables }), {
    ...{ projectDir, concurrentId: 0, shortToken: 'abc', version: '1', architecture: 'amd64' },
    image: 'busybox',
  })

describe('variables of a job', () => {
  it('expand as the shell writes them', () => {
    const lookup = (key: string) => ({ A: 'a', LONG_1: 'long' })[key]
    const cases: [string, string][] = [
      [`$A-$\{A}`, 'a-a'],
      ['$LONG_1x', ''],
      [`$\{LONG_1}x`, 'longx'],
      ['$$A', '$A'],
      ['$UNKNOWN!', '!'],
      ['100%$', '100%$'],
      ['$1 $@', ' '],
      ['no', 'no'],
    ]
    for (const [text, expected] of cases) expect(expand(text, lookup), text).toBe(expected)
  })

  it('are expanded once, so that a loop ends; raw ones are not', () => {
    const variables = resolve(
      variable('A', '$B'),
      variable('B', '$A'),
      variable('RAW', '$A', { raw: true }),
    )
    expect(variables.get('A')?.value).toBe('$A')
    expect(variables.get('RAW')?.value).toBe('$A')
  })

  it('follow precedence: runner, job, the last of a key, facts', () => {
    const variables = resolve(
      variable('CI_SERVER', 'mine'),
      variable('X', '1'),
      variable('X', '2'),
      variable('CI_RUNNER_VERSION', 'forged'),
    )
    expect(variables.get('CI_SERVER')?.value).toBe('mine')
    expect(variables.get('X')?.value).toBe('2')
    expect(variables.get('CI_RUNNER_VERSION')?.value).toBe('1')
  })

  it('hold a path for a file, whose content is masked when the variable is', () => {
    const variables = resolve(
      variable('KEY', 'secret text', { file: true, masked: true }),
      variable('USE', '$KEY'),
    )
    expect(variables.get('KEY')?.value).toBe(`${projectDir}.tmp/KEY`)
    expect(variables.get('USE')?.value).toBe(`${projectDir}.tmp/KEY`)
    expect(maskedValues(variables)).toEqual(['secret text'])
  })

  it('leave out names that an environment cannot hold', () => {
    const variables = withVariables(
      new Map(),
      [variable('A=B', 'x'), variable('C', 'd')],
      projectDir,
    )
    expect(environmentOf(variables)).toEqual({ C: 'd' })
  })

  it('never lead out of the builds directory', () => {
    const payload = jobPayload(1, [])
    payload.git_info.repo_url = 'http://x/a/%2e%2e/%2e%2e/etc/b.git'
    expect(projectDirectory(payload)).toMatch(/^\/builds\/(?!.*\.\.)/)
    expect(projectDirectory(jobPayload(1, []))).toBe(projectDir)
  })
})
