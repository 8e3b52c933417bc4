/** Heroku's JSON of our things (Platform API schema, version 3). */
import type { User } from '../../accounts/index.ts'
import type { App, Dyno, Formation, Release } from '../../apps/index.ts'
import type { House } from './context.ts'

export const stack = { id: '4a1c7d2e-6b6f-4f8c-9a53-1f5d3c0e7b21', name: 'container' }
export const region = { id: '59accabd-516d-4f0e-83e6-6e3757701145', name: 'us' }

export const time = (at: number | undefined) =>
  at === undefined ? null : new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')
export const userShape = (user: User | undefined) => ({
  id: user?.uuid ?? null,
  email: user?.email ?? 'nobody',
})
const appReference = (app: App) => ({ id: app.id, name: app.name })

export async function appShape(house: House, app: App) {
  const owner = await house.accounts.user(app.ownerId)
  return {
    ...{
      acm: false,
      archived_at: null,
      build_stack: stack,
      buildpack_provided_description: 'Container',
      create_status: 'complete',
    },
    created_at: time(app.createdAt),
    ...{
      generation: 'cedar',
      git_url: '',
      id: app.id,
      internal_routing: false,
      maintenance: app.maintenance,
      name: app.name,
    },
    owner: userShape(owner),
    ...{
      region,
      organization: null,
      released_at: time(app.releasedAt),
      repo_size: 0,
      slug_size: 0,
      space: null,
      stack,
      team: null,
    },
    updated_at: time(app.updatedAt),
    web_url: `${house.urls.app(app.name)}/`,
  }
}

export function formationShape(app: App, row: Formation, images: Release['images'] | undefined) {
  const image = images?.[row.type]
  return {
    ...{
      app: appReference(app),
      command: row.command ?? '',
      id: row.id,
      quantity: row.quantity,
      size: row.size,
      type: row.type,
    },
    docker_image: image === undefined ? null : { id: image.configDigest },
    ...{ created_at: time(row.createdAt), updated_at: time(row.updatedAt) },
  }
}

export async function releaseShape(house: House, app: App, release: Release) {
  const user = await house.accounts.user(release.userId)
  const { id, version, description, status, current } = release
  return {
    ...{
      id,
      version,
      description,
      status,
      current,
      addon_plan_names: [],
      app: appReference(app),
      oci_image: null,
      slug: null,
    },
    artifacts: Object.entries(release.images).map(([type, image]) => ({
      type: 'docker-image',
      process_type: type,
      id: image.configDigest,
      digest: image.digest,
    })),
    eligible_for_rollback: status === 'succeeded' && Object.keys(release.images).length > 0,
    output_stream_url: null,
    user: userShape(user),
    failure: release.failure ?? null,
    origin: release.origin ?? null,
    ...{ created_at: time(release.createdAt), updated_at: time(release.updatedAt) },
  }
}

export function dynoShape(app: App, dyno: Dyno) {
  const { id, name, type, command, state, size } = dyno
  return {
    ...{ id, name, type, command, state, size, attach_url: null, app: appReference(app) },
    release: { id: dyno.releaseId, version: dyno.releaseVersion },
    ...{ created_at: time(dyno.createdAt), updated_at: time(dyno.updatedAt) },
  }
}
