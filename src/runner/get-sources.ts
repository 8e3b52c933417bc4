import type { ExecHandle } from '../engine/index.ts'
import { unless } from './control.ts'
import type { SourcesRequest } from './helper/sources.ts'
import type { JobRun } from './job.ts'
import { JobFailure } from './outcome.ts'
import { temporaryDir } from './variables.ts'

/** Starts fetching as soon as the helper is up; its output waits until `finishSources` shows it. */
export async function startSources(run: JobRun): Promise<ExecHandle> {
  const request = sourcesRequest(run)
  const handle = await run.engine.exec(await run.sandbox.helper, {
    command: ['node', '/slipway/sources.js'],
    stdin: true,
  })
  await handle.write(Buffer.from(JSON.stringify(request)))
  handle.end()
  return handle
}

/** Shows what git says, tries again as often as GET_SOURCES_ATTEMPTS allows. */
export async function finishSources(run: JobRun, started: Promise<ExecHandle>): Promise<void> {
  const wanted = Number(run.variables.get('GET_SOURCES_ATTEMPTS')?.value ?? 1)
  const attempts = Math.min(10, Math.max(1, Number.isInteger(wanted) ? wanted : 1))
  for (let attempt = 1; ; attempt++) {
    const handle = await unless(run.control.script, attempt === 1 ? started : startSources(run))
    const exitCode = await unless(run.control.script, show(run, handle))
    if (exitCode === 0) return
    if (attempt >= attempts)
      throw new JobFailure(
        'runner_system_failure',
        `getting the sources failed: exit code ${exitCode}`,
        {
          exitCode,
          hint: 'See what git said above. A commit that was replaced by a forced push is gone; run a new pipeline then.',
        },
      )
    run.trace.warning(`Getting the sources failed, trying again (${attempt + 1} of ${attempts})`)
  }
}

async function show(run: JobRun, handle: ExecHandle): Promise<number> {
  const out = run.trace.stream()
  const err = run.trace.stream()
  for await (const { stream, bytes } of handle.output)
    await (stream === 'stdout' ? out : err).write(bytes)
  out.end()
  err.end()
  return handle.exitCode()
}

/** The job's variables say how, `git_info` says what (runner-protocol §15). */
export function sourcesRequest(
  run: Pick<JobRun, 'payload' | 'variables' | 'platform' | 'projectDir' | 'version'>,
): SourcesRequest {
  const { payload, platform, projectDir } = run
  const git = payload.git_info
  const value = (key: string) => run.variables.get(key)?.value ?? ''
  const strategy = value('GIT_STRATEGY')
  const submodules = value('GIT_SUBMODULE_STRATEGY')
  const flags = value('GIT_FETCH_EXTRA_FLAGS').split(/\s+/).filter(Boolean)
  const { url, rewrites } = repositoryUrls(git.repo_url, platform.url, platform.publicUrls)
  return {
    directory: projectDir,
    temporaryDirectory: temporaryDir(projectDir),
    url,
    rewrites,
    strategy:
      strategy === 'clone' || strategy === 'none' || strategy === 'empty' ? strategy : 'fetch',
    refspecs: git.refspecs,
    depth: git.depth,
    sha: git.sha,
    ref: git.ref,
    checkout: value('GIT_CHECKOUT') !== 'false',
    fetchFlags: flags.length > 0 ? flags : ['--prune', '--quiet'],
    submodules: submodules === 'normal' || submodules === 'recursive' ? submodules : 'none',
    submoduleDepth: Number(value('GIT_SUBMODULE_DEPTH')) || 0,
    userAgent: `slipway-runner ${run.version} linux/amd64`,
  }
}

/** The repository as jobs reach it, its credentials apart: they rewrite every URL that means Slipway, the public ones too. */
function repositoryUrls(repoUrl: string, platformUrl: string, publicUrls: readonly string[]) {
  const source = new URL(repoUrl)
  const target = new URL(platformUrl)
  const withUser = new URL(target)
  withUser.username = source.username
  withUser.password = source.password
  const full = withUser.href.replace(/\/?$/, '/')
  const bases = [target.href, source.origin, ...publicUrls].map(base => base.replace(/\/?$/, '/'))
  const rewrites = [...new Set(bases)].map((base): [string, string] => [base, full])
  return { url: target.href.replace(/\/$/, '') + source.pathname, rewrites }
}
