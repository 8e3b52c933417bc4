/** The lines around a problem with a caret under its place. */
export function excerpt(text: string, place: { line: number; column: number }): string {
  const lines = text.split('\n')
  const first = Math.max(0, place.line - 2)
  const shown = lines.slice(first, place.line)
  const width = String(place.line).length
  const numbered = shown.map(
    (line, at) =>
      `  ${String(first + at + 1).padStart(width)} │ ${line.replaceAll('\t', ' ').slice(0, 200)}`,
  )
  const caret = `  ${' '.repeat(width)} │ ${' '.repeat(Math.min(place.column - 1, 200))}^`
  return [...numbered, caret].join('\n')
}
