import { notice } from './format.ts'
import { temporaryDir, type Variables } from './variables.ts'

/**
 * Runs as the build container's command and becomes the best shell that the image has, which then reads the stage's script from
 * standard input (runner-protocol §14).
 */
export const shellDetector = [
  'for shell in /usr/local/bin/bash /usr/bin/bash /bin/bash /usr/local/bin/sh /usr/bin/sh /bin/sh /busybox/sh; do',
  '  if [ -x "$shell" ]; then exec "$shell"; fi',
  'done',
  'echo "shell not found"',
  'exit 1',
].join('\n')

/** SIGTERM to every process of the container but the shell that reads the script; that one ends by itself when its command is gone. */
export const terminateAll = ['sh', '-c', 'kill -TERM -1; exit 0']

/**
 * One stage of a job as a POSIX script: exports, files, the project's directory, then each command after its echo. It fails with the
 * first command that fails, pipes included where the shell can. Commands have no standard input.
 */
export function stageScript(stage: {
  variables: Variables
  projectDir: string
  commands: readonly string[]
}): string {
  const body = [
    ...exports(stage.variables, temporaryDir(stage.projectDir)),
    `cd ${quote(stage.projectDir)}`,
    ...stage.commands.flatMap(command => withEcho(command.trim())),
  ].join('\n')
  return [
    "trap 'exit 1' TERM",
    'if (set -o pipefail) 2> /dev/null; then set -o pipefail; fi',
    'set -o errexit',
    'set +o noclobber',
    `(trap 'exit 1' TERM; eval ${quote(body)}) < /dev/null`,
    'exit 0',
    '',
  ].join('\n')
}

/** A word that every POSIX shell reads as exactly this text. */
export function quote(text: string): string {
  return `'${text.replaceAll('\0', '').replaceAll("'", "'\\''")}'`
}

function exports(variables: Variables, directory: string): string[] {
  const lines = [`mkdir -p ${quote(directory)}`]
  for (const { key, value, content } of variables.values()) {
    if (content !== undefined) lines.push(`printf '%s' ${quote(content)} > ${quote(value)}`)
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) lines.push(`export ${key}=${quote(value)}`)
  }
  // Lines that a stage appends to $GITLAB_ENV are variables of the stages after it.
  const file = quote(`${directory}/gitlab_runner_env`)
  lines.push(
    `export GITLAB_ENV=${file}`,
    `touch ${file}`,
    `while IFS= read -r line; do case $line in *=*) export "$line" ;; esac; done < ${file}`,
  )
  return lines
}

function withEcho(command: string): string[] {
  if (command === '') return ['echo']
  const [first = '', ...rest] = command.split('\n')
  const shown = rest.length === 0 ? first : `${first} # collapsed multi-line command`
  return [`printf '%s\\n' ${quote(notice(`$ ${shown}`))}`, command]
}
