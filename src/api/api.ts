import type { IncomingMessage, ServerResponse } from 'node:http'
import type { House } from './gitlab/context.ts'
import { createGitLabApi } from './gitlab/gitlab.ts'
import { createRunnerApi, isRunnerPath } from './gitlab/runners.ts'
import { createHerokuApi } from './heroku/heroku.ts'

export interface Api {
  /** Answers either dialect; false, untouched, for what is neither's. */
  handle(request: IncomingMessage, response: ServerResponse): boolean
  close(): Promise<void>
}

/** Both dialects behind one door. */
export async function createApi(house: House): Promise<Api> {
  const gitlab = await createGitLabApi(house)
  const heroku = await createHerokuApi(house)
  const runners = createRunnerApi(house)
  gitlab.get(
    '/api/openapi.json',
    { config: { anonymous: true }, schema: { hide: true } },
    async () => gitlab.swagger(),
  )
  await Promise.all([gitlab.ready(), heroku.ready(), runners.ready()])
  return {
    handle(request, response) {
      if (isHeroku(request)) heroku.routing(request, response)
      else if (isRunnerPath(request.url ?? '')) runners.routing(request, response)
      else if (isGitLab(request)) gitlab.routing(request, response)
      else return false
      return true
    },
    async close() {
      await Promise.all([gitlab.close(), heroku.close(), runners.close()])
    },
  }
}

/** The host is Heroku's, or `api.` of ours; or the client says so (the heroku CLI always does); or it is a log session's secret address. */
function isHeroku(request: IncomingMessage): boolean {
  const host = (request.headers.host ?? '').toLowerCase()
  if (host.startsWith('api.')) return true
  if (request.url?.startsWith('/heroku/log-sessions/')) return true
  return (request.headers.accept ?? '').includes('vnd.heroku+json')
}

function isGitLab(request: IncomingMessage): boolean {
  return /^\/(api|-|oauth)\//.test(request.url ?? '')
}
