/**
 * The story of one push, in one file: git → ci → (runner) → registry → apps → router. The five modules never import one another;
 * they meet here, and every change is told to whoever watches.
 */
import type { AppEvent, Apps } from './apps/index.ts'
import type { CiEvent, PipelineOutcome, Pipelines } from './ci/index.ts'
import type { Git, Push, RefUpdate } from './git/index.ts'
import { KeyedMutex, type Logger } from './lib/index.ts'
import { describeOutcome, noPipeline } from './push-output.ts'
import type { RegistryEvent } from './registry/index.ts'
import type { Router } from './router/index.ts'

const zeros = '0'.repeat(40)

/** The modules that the story joins. */
export interface Joined {
  git: Git
  pipelines: Pipelines
  apps: Apps
  router: Router
}

export interface FlowOptions {
  /** Tells watchers. */
  publish(event: {
    type: string
    projectId?: number
    appId?: string
    data: Record<string, unknown>
  }): void
  /** `http://localhost:10080` */
  url: string
  /** Hosts under which an app answers. */
  hostsOf(appName: string): string[]
  log: Logger
}

export type Flow = ReturnType<typeof createFlow>

/** Made before the modules, which get its `on…` functions; `join` hands it the modules. */
export function createFlow(options: FlowOptions) {
  let joined: Joined | undefined
  // a route that was asked for later must not be overtaken by an earlier one
  const routes = new KeyedMutex()
  const modules = (): Joined => {
    if (joined === undefined) throw new Error('flow: a module spoke before it was joined')
    return joined
  }
  return {
    join(them: Joined): void {
      joined = them
    },

    /** A push is in place → compile and start a pipeline for each branch or tag → the lines that the pusher sees. */
    async onPush(push: Push): Promise<string[]> {
      const lines: string[] = []
      if (push.created)
        lines.push(
          `The project ${push.project.fullPath} was made: ${options.url}/${push.project.fullPath}`,
          '',
        )
      for (const update of push.updates) {
        options.publish({
          type: 'push',
          projectId: push.project.id,
          data: { ...update, user: push.user.username },
        })
        if (update.after !== zeros)
          lines.push(...(await startPipeline(modules(), options, push, update)))
      }
      return lines
    },

    /** A pipeline or job changed its state. */
    onCi(event: CiEvent): void {
      const { type, projectId, ...data } = event
      options.publish({ type, projectId, data })
    },

    /** An image is in the registry. It is released only by `container:release` (as on Heroku), never by the push itself. */
    onRegistry(event: RegistryEvent): void {
      const { repository, tag, digest } = event
      options.publish({ type: 'image', data: { repository, tag, digest } })
    },

    /** An app changed; when its processes did, traffic follows them. */
    async onApp(event: AppEvent): Promise<void> {
      const { type, appId, ...data } = event
      if (type !== 'route') options.publish({ type, appId, data })
      if (type !== 'route' && type !== 'app') return
      try {
        await routes.run(appId, () => setRoute(modules(), options, appId))
      } catch (error) {
        options.log.error({ error, appId }, 'route not updated')
      }
    },
  }
}

async function startPipeline(
  { git, pipelines }: Joined,
  options: FlowOptions,
  push: Push,
  update: RefUpdate,
): Promise<string[]> {
  const isBranchOrTag = /^refs\/(heads|tags)\//.test(update.ref)
  const sha = isBranchOrTag ? await git.resolve(push.project.id, update.after) : undefined
  if (sha === undefined) return []
  const name = update.ref.replace(/^refs\/(heads|tags)\//, '')
  let outcome: PipelineOutcome
  try {
    outcome = await pipelines.create({
      project: push.project,
      user: push.user,
      ref: update.ref,
      sha,
      beforeSha: update.before,
      source: 'push',
      pushOptions: push.options,
    })
  } catch (error) {
    // the push itself is done and must be told as done
    options.log.error(
      { error, project: push.project.fullPath, ref: update.ref },
      'pipeline not created',
    )
    return noPipeline(name, 'an internal error; see the log of Slipway')
  }
  if (outcome.kind === 'created')
    await git.keepRef(push.project.id, `refs/pipelines/${outcome.pipeline.id}`, sha)
  return describeOutcome(outcome, {
    ref: name,
    projectUrl: `${options.url}/${push.project.fullPath}`,
  })
}

async function setRoute(
  { apps, router }: Joined,
  options: FlowOptions,
  appId: string,
): Promise<void> {
  const app = await apps.find(appId)
  if (app === undefined) return router.delete(appId)
  const route = await apps.route(appId)
  router.set({
    appId,
    hosts: options.hostsOf(app.name),
    backends: route.backends,
    state: route.state,
  })
}
