/** Lines of a job's log as GitLab writes them (runner-protocol §12), so that its viewers and ours fold and colour them. */
const reset = '\x1b[0;m'
const clear = '\x1b[0K'
const boldGreen = '\x1b[32;1m'
const boldCyan = '\x1b[36;1m'
const boldRed = '\x1b[31;1m'
const yellow = '\x1b[0;33m'
const boldYellow = '\x1b[33;1m'

export function plain(text: string): string {
  return `${clear}${text}${reset}\n`
}

export function info(text: string): string {
  return `${boldGreen}${text}${reset}\n`
}

export function warning(text: string): string {
  return `${yellow}WARNING: ${text}${reset}\n`
}

export function error(text: string): string {
  return `${boldRed}ERROR: ${text}${reset}\n`
}

export function headline(text: string): string {
  return plain(`${boldCyan}${text}${reset}`)
}

/** Bold green without an end of line: what a script prints before each command. */
export function notice(text: string): string {
  return `${boldGreen}${text}${reset}`
}

/** A section's mark has no end of line: its headline stands on the same line. `seconds` since the epoch. */
export function sectionStart(name: string, seconds: number): string {
  return `section_start:${seconds}:${name}\r${clear}`
}

export function sectionEnd(name: string, seconds: number): string {
  return `section_end:${seconds}:${name}\r${clear}`
}

export function limitExceeded(bytes: number): string {
  return `\n${boldYellow}Job's log exceeded limit of ${bytes} bytes.\nJob execution will continue but no more output will be collected.${reset}\n`
}

/** `1h0m5s`, as Go prints a duration. */
export function duration(seconds: number): string {
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor((seconds % 3600) / 60)
  const rest = seconds % 60
  if (hours > 0) return `${hours}h${minutes}m${rest}s`
  return minutes > 0 ? `${minutes}m${rest}s` : `${rest}s`
}

/** Text from outside on one line of ours: control characters out, so that it can't imitate lines or sections. */
export function safe(text: string): string {
  return text.replace(/[\x00-\x1f\x7f]+/g, ' ').trim()
}
