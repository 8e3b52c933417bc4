import type { Apps, Dyno, Formation, Release } from './index.ts'

export type AppRoute = Awaited<ReturnType<Apps['route']>>
export type AppBackend = AppRoute['backends'][number]

export interface Seen {
  maintenance: boolean
  /** The release that runs. */
  current: Release | undefined
  /** The newest one that was recorded. */
  newest: Release | undefined
  formation: readonly Formation[]
  web: readonly { state: Dyno['state']; backend: AppBackend | undefined }[]
}

/** Where an app's traffic may go. */
export function routeOf(seen: Seen): AppRoute {
  const backends = seen.web.flatMap(one => (one.state === 'up' && one.backend ? [one.backend] : []))
  return { state: stateOf(seen, backends.length), backends }
}

function stateOf(seen: Seen, up: number): AppRoute['state'] {
  if (seen.maintenance) return 'maintenance'
  if (up > 0) return 'up'
  if (!seen.current?.images['web']) {
    if (!seen.newest?.images['web']) return 'blank'
    return seen.newest.status === 'failed' ? 'crashed' : 'booting'
  }
  const quantity = seen.formation.find(row => row.type === 'web')?.quantity ?? 0
  if (quantity === 0) return 'none'
  return seen.web.some(one => one.state === 'crashed') ? 'crashed' : 'booting'
}
