import type { WriteStream } from 'node:tty'

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const frameMs = 100

/** Steps with a sign in front: turning while they run, checked when done. On a terminal the line is drawn anew; elsewhere each finished step is a line. */
export interface Checklist {
  /** `tell` shows how far the step is. */
  step<T>(
    title: string,
    work: (tell: (text: string) => void) => Promise<{ value: T; text: string }>,
  ): Promise<T>
  note(text: string): void
  /** The step under way broke. */
  fail(): void
}

export function createChecklist(out: WriteStream): Checklist {
  let active: { title: string; text: string; startedAt: number } | undefined
  let frame = 0
  let timer: NodeJS.Timeout | undefined
  const line = (sign: string, title: string, text: string) =>
    `  ${sign} ${title.padEnd(18)} ${text}`
  const clear = () => out.isTTY && out.write('\r\x1b[2K')

  function draw(): void {
    if (active === undefined || !out.isTTY) return
    const width = (out.columns ?? 80) - 1
    const text = line(frames[frame++ % frames.length]!, active.title, active.text)
    clear()
    out.write([...text].slice(0, width).join(''))
  }

  function end(sign: string, text: string): void {
    clearInterval(timer)
    if (active === undefined) return
    const seconds = ((performance.now() - active.startedAt) / 1000).toFixed(1)
    clear()
    out.write(`${line(sign, active.title, `${text} (${seconds} s)`)}\n`)
    active = undefined
  }

  return {
    async step(title, work) {
      active = { title, text: '', startedAt: performance.now() }
      const mine = active
      timer = setInterval(draw, frameMs)
      try {
        const { value, text } = await work(told => {
          mine.text = told
          draw()
        })
        end('✓', text)
        return value
      } catch (error) {
        end('✗', mine.text)
        throw error
      }
    },
    note(text) {
      out.write(`    ${text}\n`)
    },
    fail() {
      end('✗', active?.text ?? '')
    },
  }
}
