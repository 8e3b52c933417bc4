/** `git push -o …` (https://docs.gitlab.com/topics/git/commit/#push-options). */
import type { Problem } from './plan.ts'

export interface PushOptions {
  skip: boolean
  variables: { key: string; value: string; type: 'env_var' }[]
  /** What was not understood: warnings for the pusher. */
  problems: Problem[]
}

/** Reads the options that concern pipelines; others belong to somebody else. */
export function readPushOptions(options: readonly string[]): PushOptions {
  const read: PushOptions = { skip: false, variables: [], problems: [] }
  for (const option of options) {
    if (option === 'ci.skip') read.skip = true
    else if (option.startsWith('ci.variable=')) readVariable(option, read)
    else if (option.startsWith('ci.')) {
      read.problems.push(
        warning(option, 'is not known', 'Known are ci.skip and ci.variable=KEY=VALUE.'),
      )
    }
  }
  return read
}

function readVariable(option: string, read: PushOptions): void {
  const match = /^ci\.variable=([A-Za-z0-9_]{1,255})=([\s\S]*)$/.exec(option)
  if (match) read.variables.push({ key: match[1]!, value: match[2]!, type: 'env_var' })
  else read.problems.push(warning(option, 'sets nothing', 'Write -o ci.variable=KEY=VALUE.'))
}

function warning(option: string, problem: string, hint: string): Problem {
  // Up to the first `=`: what follows may be a secret.
  const name = option.split('=')[0]!.slice(0, 60)
  return {
    severity: 'warning',
    file: 'git push',
    line: 1,
    column: 1,
    message: `push option ${name} ${problem}`,
    hint,
  }
}
