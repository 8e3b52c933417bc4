import { execFile } from 'node:child_process'

export interface Ran {
  exitCode: number
  stdout: string
  stderr: string
}

/** Runs a program with arguments as they are and returns how it ended; never throws for an exit code. */
export function run(
  program: string,
  args: string[],
  options: { cwd?: string; env?: Record<string, string>; input?: string; timeoutMs?: number } = {},
): Promise<Ran> {
  return new Promise(resolve => {
    const child = execFile(
      program,
      args,
      {
        cwd: options.cwd,
        env: { ...process.env, ...options.env },
        timeout: options.timeoutMs ?? 120_000,
        maxBuffer: 64 * 1024 * 1024,
      },
      (error, stdout, stderr) =>
        resolve({
          exitCode: error === null ? 0 : typeof error.code === 'number' ? error.code : 1,
          stdout,
          stderr,
        }),
    )
    // a program that ends without reading
    child.stdin?.on('error', () => {})
    child.stdin?.end(options.input ?? '')
  })
}

/** `git` with a clean configuration and an author. */
export function git(cwd: string, ...args: string[]): Promise<Ran> {
  return run(
    'git',
    [
      '-c',
      'user.name=Test',
      '-c',
      'user.email=test@example.com',
      '-c',
      'init.defaultBranch=master',
      ...args,
    ],
    {
      cwd,
      env: {
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_CONFIG_SYSTEM: '/dev/null',
        GIT_TERMINAL_PROMPT: '0',
      },
    },
  )
}
