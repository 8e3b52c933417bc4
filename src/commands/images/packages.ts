import { type ExecFileException, execFile } from 'node:child_process'
import { access, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Failure, KeyedMutex } from '../../lib/index.ts'

const run = promisify(execFile)

/** A Debian or Ubuntu package, unpacked below `directory` without running any of its scripts. */
export interface UnpackedPackage {
  name: string
  version: string
  architecture: string
  directory: string
  /** Its control fields as text, as dpkg's status file has them. */
  control: string
}

/** The system's packages as material for images: downloaded by apt-get and unpacked aside, so that the machine itself stays as it is. */
export interface Packages {
  /** These packages with everything they depend on (recommendations left out), sorted by name. */
  closure(names: readonly string[], signal?: AbortSignal): Promise<UnpackedPackage[]>
}

interface Chosen {
  name: string
  version: string
  architecture: string
}

/**
 * Keeps downloads and unpacked packages below `directory`. Works without root.
 * Errors: `Failure('unavailable')` when this system has no apt, or a package can't be had.
 */
export function createPackages(directory: string): Packages {
  const turns = new KeyedMutex()
  let ownLists = false

  const apt = async (args: string[], signal?: AbortSignal): Promise<string> => {
    const { stdout } = await run('apt-get', [...aptOptions(directory, ownLists), ...args], {
      timeout: 300_000,
      maxBuffer: 16 << 20,
      env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
      ...(signal && { signal }),
    })
    return stdout
  }

  /** With the machine's package lists first; where those are missing or stale, with lists of our own. */
  const download = async (names: readonly string[], signal?: AbortSignal): Promise<Chosen[]> => {
    const install = ['--yes', '--no-install-recommends', 'install', ...names]
    const attempt = async () => {
      const chosen = parsePlan(await apt(['--simulate', ...install], signal))
      await apt(['--download-only', ...install], signal)
      return chosen
    }
    try {
      return await attempt()
    } catch (error) {
      signal?.throwIfAborted()
      if (ownLists || (error as ExecFileException).code === 'ENOENT') throw explain(error, names)
    }
    ownLists = true
    try {
      await apt(['update'], signal)
      return await attempt()
    } catch (error) {
      signal?.throwIfAborted()
      throw explain(error, names)
    }
  }

  // Layers that share a base ask for its closure again.
  const known = new Map<string, UnpackedPackage[]>()
  return {
    closure: (names, signal) =>
      turns.run('apt', async () => {
        const before = known.get(names.join(' '))
        if (before !== undefined) return before
        await prepare(directory)
        const chosen = await download(names, signal)
        const unpacked: UnpackedPackage[] = []
        for (const one of chosen) unpacked.push(await unpack(directory, one, signal))
        unpacked.sort((a, b) => (a.name < b.name ? -1 : 1))
        known.set(names.join(' '), unpacked)
        return unpacked
      }),
  }
}

/** `Inst libc6 (2.36-9 Debian:12/stable [amd64])`, one line a package of apt-get's plan. */
export function parsePlan(text: string): Chosen[] {
  return text.split('\n').flatMap(line => {
    const match = /^Inst (\S+) \((\S+) .*\[([^\]\s]+)\]\)/.exec(line)
    return match ? [{ name: match[1]!, version: match[2]!, architecture: match[3]! }] : []
  })
}

/** An empty status file makes apt plan for an empty machine: the whole closure, whatever is installed here. */
function aptOptions(directory: string, ownLists: boolean): string[] {
  const options = [
    `Dir::State::status=${join(directory, 'status')}`,
    `Dir::Cache=${join(directory, 'cache')}`,
    `Dir::Cache::archives=${join(directory, 'archives')}`,
    'APT::Sandbox::User=root',
    'Debug::NoLocking=1',
    'Acquire::Retries=2',
    'Acquire::http::Timeout=20',
  ]
  if (ownLists) options.push(`Dir::State::lists=${join(directory, 'lists')}`)
  return ['--quiet=2', ...options.flatMap(option => ['--option', option])]
}

async function prepare(directory: string): Promise<void> {
  for (const path of ['archives/partial', 'lists/partial', 'cache', 'unpacked'])
    await mkdir(join(directory, path), { recursive: true })
  await writeFile(join(directory, 'status'), '')
}

async function unpack(
  directory: string,
  chosen: Chosen,
  signal?: AbortSignal,
): Promise<UnpackedPackage> {
  const base = `${chosen.name}_${chosen.version.replaceAll(':', '%3a')}_${chosen.architecture}`
  const archive = join(directory, 'archives', `${base}.deb`)
  const target = join(directory, 'unpacked', base)
  const options = { timeout: 120_000, maxBuffer: 1 << 20, ...(signal && { signal }) }
  const isThere = await access(target).then(
    () => true,
    () => false,
  )
  if (!isThere) {
    const partial = `${target}.partial`
    await rm(partial, { recursive: true, force: true })
    await run('dpkg-deb', ['--extract', archive, partial], options)
    await rename(partial, target)
  }
  const control = (await run('dpkg-deb', ['--field', archive], options)).stdout
  return { ...chosen, directory: target, control }
}

function explain(error: unknown, names: readonly string[]): Failure {
  const said = error as ExecFileException
  if (said.code === 'ENOENT')
    return new Failure('unavailable', `${said.path ?? 'apt-get'} is not on this machine`, {
      hint: 'Stand-in images are made from Debian or Ubuntu packages. With internet access none are needed: start Slipway without --offline.',
      cause: error,
    })
  const lines = `${said.stderr ?? said.message}`.split('\n').filter(line => line.startsWith('E: '))
  return new Failure(
    'unavailable',
    `apt-get could not bring ${names.join(', ')}: ${lines.join(' ') || said.message}`,
    { hint: 'See that this machine reaches its package source: apt-get update', cause: error },
  )
}
