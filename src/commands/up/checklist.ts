/** Shows what happens as a list that grows: one line a step, live on a terminal, finished steps only elsewhere. */
export interface Checklist {
  /** Runs the work as a step. What it returns is shown behind the title; `note` changes the text while it runs. */
  step<T>(title: string, work: (note: (text: string) => void) => Promise<T>): Promise<T>
  line(text: string): void
}

const frames = ['⠋', '⠙', '⠸', '⠴', '⠦', '⠇']
const frameMs = 120

export function createChecklist(out: NodeJS.WriteStream, now: () => number): Checklist {
  const isLive = out.isTTY === true
  const draw = (text: string) => {
    if (isLive) out.write(`\r\x1b[2K${text.slice(0, Math.max(20, out.columns - 1))}`)
  }
  return {
    async step(title, work) {
      const startedAt = now()
      let noted = ''
      let frame = 0
      const show = () =>
        draw(`  ${frames[frame++ % frames.length]} ${title}${noted && `: ${noted}`}`)
      const timer = isLive ? setInterval(show, frameMs) : undefined
      show()
      const end = (mark: string) => {
        clearInterval(timer)
        const seconds = ((now() - startedAt) / 1000).toFixed(1)
        draw('')
        out.write(`  ${mark} ${title}${noted && `: ${noted}`}  ${seconds} s\n`)
      }
      try {
        const result = await work(text => {
          noted = text
        })
        end('✓')
        return result
      } catch (error) {
        end('✗')
        throw error
      }
    },
    line(text) {
      out.write(`${text}\n`)
    },
  }
}
