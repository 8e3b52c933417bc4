/** Runners: who may ask for jobs. */
import { Failure, newToken, sha256 } from '../lib/index.ts'
import type { Core } from './core.ts'
import type { Runner } from './ports.ts'
import type { Runners } from './use-cases.ts'

const maxTagLength = 255
const minTimeoutSeconds = 600

/** See `Runners`. */
export function createRunners(core: Core): Runners {
  const { store } = core
  return {
    async create(wanted) {
      checkRunner(wanted)
      const token = newRunnerToken(core)
      const { id } = await store.insertRunner({
        ...wanted,
        tokenHash: sha256(token),
        inProcess: false,
        createdAt: core.clock.now(),
      })
      return { id, token }
    },
    async verify(token, systemId, info = { name: 'gitlab-runner', version: '', features: {} }) {
      const runner = await known(core, token)
      await store.contact({ runnerId: runner.id, systemId, info, contactedAt: core.clock.now() })
      return { id: runner.id }
    },
    async remove(token) {
      await store.deleteRunner((await known(core, token)).id)
    },
    async removeManager(token, systemId) {
      const runner = await known(core, token)
      if (await store.deleteManager(runner.id, systemId)) return
      throw new Failure('not_found', '404 Runner manager not found')
    },
    async resetToken(old) {
      const runner = await known(core, old)
      const token = newRunnerToken(core)
      await store.updateRunner({ ...runner, tokenHash: sha256(token) })
      return { id: runner.id, token }
    },
    giveBack: jobId => giveBack(core, jobId),
  }
}

/** For the runner of this process. The token is new each time: the store keeps only what it is checked against. */
export async function ensureRunner(
  core: Core,
  wanted: { description: string; tags: string[]; runUntagged: boolean },
): Promise<{ id: number; token: string }> {
  const token = newRunnerToken(core)
  const all = await core.store.runners()
  const known = all.find(one => one.inProcess && one.description === wanted.description)
  const change = { ...wanted, tokenHash: sha256(token) }
  if (known) {
    await core.store.updateRunner({ ...known, ...change })
    return { id: known.id, token }
  }
  const { id } = await core.store.insertRunner({
    ...change,
    protectedOnly: false,
    paused: false,
    inProcess: true,
    createdAt: core.clock.now(),
  })
  return { id, token }
}

function newRunnerToken(core: Core): string {
  return newToken(core.random, 'glrt-', 20)
}

async function known(core: Core, token: string): Promise<Runner> {
  const runner = await core.store.runnerByTokenHash(sha256(token))
  // The one of this process can't be worked with, or removed, from outside.
  if (runner && !runner.inProcess) return runner
  throw new Failure('forbidden', '403 Forbidden', {
    hint: 'Make a runner with POST /api/v4/user/runners and use the token that it answers.',
  })
}

function checkRunner(wanted: Parameters<Runners['create']>[0]): void {
  const problems: Record<string, string[]> = {}
  if (wanted.tags.length === 0 && !wanted.runUntagged) {
    problems['tags_list'] = ['can not be empty when runner is not allowed to pick untagged jobs']
  }
  if (wanted.tags.length > 50 || wanted.tags.some(tag => tag.length > maxTagLength)) {
    problems['tags_list'] = [`takes up to 50 tags of ${maxTagLength} characters`]
  }
  const timeout = wanted.maximumTimeoutSeconds
  if (timeout !== undefined && timeout < minTimeoutSeconds) {
    problems['maximum_timeout'] = ['needs to be at least 10 minutes']
  }
  if (Object.keys(problems).length === 0) return
  throw new Failure('invalid', 'The runner is not valid', { details: problems })
}

async function giveBack(core: Core, jobId: number): Promise<void> {
  const job = await core.store.job(jobId)
  if (job?.status !== 'running' || (await core.traces.size(jobId)) > 0) return
  await core.change(job.pipelineId, draft => {
    if (draft.job(jobId)?.status !== 'running') return
    const nobody = { runnerId: undefined, run: undefined, touchedAt: undefined }
    draft.update(jobId, { ...nobody, status: 'pending', startedAt: undefined })
    draft.settle()
  })
}
