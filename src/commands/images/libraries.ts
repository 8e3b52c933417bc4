import { execFile } from 'node:child_process'
import { open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { Failure } from '../../lib/index.ts'

const run = promisify(execFile)

/** Absolute paths of the shared libraries (the loader included) that a program needs; none for a script or a static program. */
export async function sharedLibraries(program: string): Promise<string[]> {
  if (!(await isElf(program))) return []
  let text: string
  try {
    text = (await run('ldd', [program], { timeout: 20_000, env: { ...process.env, LC_ALL: 'C' } }))
      .stdout
  } catch (error) {
    const said = error as { code?: unknown; stderr?: string; stdout?: string }
    if (said.code === 'ENOENT')
      throw new Failure('unavailable', 'ldd is not on this machine', {
        hint: 'Root file systems are made on glibc systems such as Debian and Ubuntu, whose libc-bin package has ldd.',
      })
    if (`${said.stdout}${said.stderr}`.includes('not a dynamic executable')) return []
    throw new Failure('unavailable', `ldd ${program}: ${said.stderr?.trim() || String(error)}`)
  }
  return parseLdd(text, program)
}

/** `libc.so.6 => /lib/… (0x…)` and `/lib64/ld-linux… (0x…)`; the kernel's vdso has no file. */
export function parseLdd(text: string, program: string): string[] {
  const found: string[] = []
  for (const line of text.split('\n')) {
    const missing = /^\s*(\S+) => not found/.exec(line)
    if (missing)
      throw new Failure('unavailable', `${program} needs ${missing[1]}, which is not there`)
    const path = /^\s*(?:\S+ => )?(\/\S+) \(0x/.exec(line)?.[1]
    if (path !== undefined) found.push(path)
  }
  return found
}

async function isElf(path: string): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0)
    return bytesRead === 4 && buffer.toString('latin1') === '\x7fELF'
  } finally {
    await file.close()
  }
}
