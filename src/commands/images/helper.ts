import { execFile } from 'node:child_process'
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Engine } from '../../engine/index.ts'
import { Failure, sha256 } from '../../lib/index.ts'
import { sharedLibraries } from './libraries.ts'
import { rootfs } from './rootfs.ts'

const run = promisify(execFile)
const programsDirectory = fileURLToPath(new URL('../../runner/helper/', import.meta.url))
const repository = 'slipway-helper'
/** Shell scripts of git that submodules need. */
const gitScripts = ['git-submodule', 'git-sh-setup', 'git-sh-i18n']
/** Goes into the tag: raise it when the image's make-up changes in a way that its files don't show. */
const recipe = '1'

/**
 * Makes the runner's helper image from this machine's own node and git, once per version of them and of the helper's programs. Returns
 * its reference, whose tag is a hash of what is in it. Nothing is pulled.
 */
export async function ensureHelperImage(engine: Engine): Promise<string> {
  const sources = await helperSources()
  const git = await gitFiles()
  const reference = `${repository}:${await hashOf(sources, git)}`
  if (await engine.inspectImage(reference)) return reference
  const libraries = await sharedLibraries(process.execPath)
  const tar = rootfs({
    skeleton: true,
    programs: [git.program, git.remote],
    files: [
      ...libraries.map(from => ({ path: from, from, mode: 0o755 })),
      // It may lie anywhere on this machine but has one place in the image.
      { path: '/usr/local/bin/node', from: process.execPath, mode: 0o755 },
      ...git.scripts.map(from => ({ path: from, from, mode: 0o755 })),
      ...(await asJavaScript(sources)),
    ],
    links: [{ path: `${git.directory}/git-remote-https`, target: 'git-remote-http' }],
  })
  await engine.importImage(tar, reference, [
    'ENV PATH=/usr/local/bin:/usr/bin:/usr/sbin',
    'WORKDIR /',
  ])
  return reference
}

type Sources = readonly { name: string; source: string }[]

async function helperSources(): Promise<Sources> {
  const names = (await readdir(programsDirectory)).filter(name => /^[a-z-]+\.ts$/.test(name)).sort()
  return Promise.all(
    names.map(async name => ({
      name,
      source: await readFile(join(programsDirectory, name), 'utf8'),
    })),
  )
}

/**
 * The programs without their types: each starts for every job, and taking the types off takes longer than all else it does. In a process
 * of its own, since Node says on standard error that the call is experimental.
 */
async function asJavaScript(sources: Sources): Promise<{ path: string; content: string }[]> {
  const program = `import { stripTypeScriptTypes } from 'node:module'
import { json } from 'node:stream/consumers'
console.log(JSON.stringify((await json(process.stdin)).map(source => stripTypeScriptTypes(source))))`
  const stripping = run(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', program],
    { timeout: 20_000, maxBuffer: 16 * 1024 * 1024 },
  )
  stripping.child.stdin?.end(JSON.stringify(sources.map(({ source }) => source)))
  const stripped = JSON.parse((await stripping).stdout) as string[]
  const programs = stripped.map((text, index) => ({
    path: `/slipway/${sources[index]!.name.replace(/\.ts$/, '.js')}`,
    content: text.replaceAll(/(from '\.\/[\w-]+)\.ts'/g, "$1.js'"),
  }))
  return [...programs, { path: '/slipway/package.json', content: '{"type":"module"}' }]
}

async function gitFiles() {
  const { stdout } = await run('git', ['--exec-path']).catch(() => {
    throw new Failure('unavailable', 'git is not installed on this machine', {
      hint: 'Install git 2.31 or newer: the runner puts it into its helper image.',
    })
  })
  const directory = stdout.trim()
  for (const where of (process.env['PATH'] ?? '').split(':')) {
    const program = join(where, 'git')
    if (await stat(program).catch(() => undefined))
      return {
        directory,
        program,
        remote: join(directory, 'git-remote-http'),
        scripts: await existing(gitScripts.map(name => join(directory, name))),
      }
  }
  throw new Failure('unavailable', 'git is not on the PATH')
}

async function existing(paths: string[]): Promise<string[]> {
  const found = await Promise.all(paths.map(path => stat(path).catch(() => undefined)))
  return paths.filter((_, index) => found[index] !== undefined)
}

/** Programs count by size and time, so that starting doesn't read 150 MB. */
async function hashOf(sources: Sources, git: { program: string; remote: string }): Promise<string> {
  const stamps = await Promise.all(
    [process.execPath, git.program, git.remote].map(async path => {
      const { size, mtimeMs } = await stat(await realpath(path))
      return `${path} ${size} ${Math.floor(mtimeMs)}`
    }),
  )
  return sha256(JSON.stringify([recipe, process.version, stamps, sources])).slice(0, 16)
}
