import { isDigest } from '../blobs/index.ts'
import { Failure } from '../lib/index.ts'
import { RegistryError } from './errors.ts'
import { createFetches, type RemoteBlob } from './fetches.ts'
import { manifestDigest, parseManifest } from './manifest.ts'
import { kindOf } from './names.ts'
import type { MirrorUpstream, RegistryOptions, StoredManifest, StoredTag } from './ports.ts'
import { createUpstream, type Upstream } from './upstream.ts'

/** Images of other registries, under `{host}/…`: what is here first, then the upstream. */
export interface Mirror {
  has(repository: string): boolean
  /** `isStale`: the upstream could not be asked whether the tag still means this. */
  manifest(
    repository: string,
    reference: string,
  ): Promise<{ manifest: StoredManifest; isStale: boolean } | undefined>
  /** A blob that is not here yet. */
  blob(
    repository: string,
    digest: string,
  ): Promise<{ sizeBytes: number; read(): AsyncIterable<Uint8Array> } | undefined>
  blobSize(repository: string, digest: string): Promise<number | undefined>
}

type Parts = Pick<
  RegistryOptions,
  'store' | 'blobs' | 'clock' | 'random' | 'log' | 'upstreams' | 'http'
>

/** Tags that an upstream confirmed this recently aren't asked about again. */
const freshMs = 60_000

export function createMirror(parts: Parts): Mirror {
  const find = upstreamFinder(parts)
  const fetches = createFetches(parts)
  const away = (
    repository: string,
    work: (upstream: Upstream, path: string) => Promise<unknown>,
  ) => {
    const found = find(repository)
    return found && work(found.upstream, found.path)
  }
  return {
    has: repository => kindOf(repository).kind === 'mirror',
    manifest: (repository, reference) =>
      isDigest(reference)
        ? byDigest(parts, find(repository), repository, reference)
        : byTag(parts, find(repository), repository, reference),
    blob: async (repository, digest) =>
      fetches.join(
        repository,
        digest,
        async () =>
          (await away(repository, (upstream, path) => upstream.blob(path, digest))) as
            | RemoteBlob
            | undefined,
      ),
    blobSize: async (repository, digest) =>
      (await away(repository, (upstream, path) => upstream.blobSize(path, digest))) as
        | number
        | undefined,
  }
}

type Found = { upstream: Upstream; path: string } | undefined

function upstreamFinder(parts: Parts): (repository: string) => Found {
  const { upstreams = [], http, clock } = parts
  if (upstreams.length > 0 && http === undefined)
    throw new Failure('internal', 'a mirror needs an HTTP client')
  const all = new Map(
    upstreams.map(config => [
      config.prefix,
      { config, upstream: createUpstream(config, http!, clock) },
    ]),
  )
  return repository => {
    const kind = kindOf(repository)
    const entry = kind.kind === 'mirror' ? all.get(kind.upstream) : undefined
    if (kind.kind !== 'mirror' || entry === undefined) return undefined
    return isAllowed(entry.config, kind.path)
      ? { upstream: entry.upstream, path: kind.path }
      : undefined
  }
}

function isAllowed({ allow }: MirrorUpstream, path: string): boolean {
  if (allow === undefined) return true
  return allow.some(pattern => {
    const [head = '', ...rest] = pattern.split('*')
    if (rest.length === 0) return path === pattern
    return path.startsWith(head) && path.endsWith(rest.join('*'))
  })
}

async function byDigest(parts: Parts, found: Found, repository: string, digest: string) {
  const here = await parts.store.manifest(repository, digest)
  if (here !== undefined) return { manifest: here, isStale: false }
  const manifest = found && (await fetchManifest(parts, found, repository, digest))
  return manifest && { manifest, isStale: false }
}

async function byTag(parts: Parts, found: Found, repository: string, name: string) {
  const tag = await parts.store.tag(repository, name)
  const here = tag && (await parts.store.manifest(repository, tag.digest))
  if (here === undefined || tag === undefined) {
    const manifest = found && (await fetchManifest(parts, found, repository, name))
    return manifest && { manifest, isStale: false }
  }
  // What was pushed here stays what it is, whatever the upstream has under that name.
  const isSettled = tag.checkedAt === undefined || parts.clock.now() - tag.checkedAt < freshMs
  if (isSettled || found === undefined) return { manifest: here, isStale: false }
  return await revalidate(parts, found, tag, here)
}

async function revalidate(
  parts: Parts,
  found: NonNullable<Found>,
  tag: StoredTag,
  here: StoredManifest,
) {
  try {
    const digest = await found.upstream.manifestDigest(found.path, tag.name)
    if (digest === tag.digest) {
      await parts.store.saveTag({ ...tag, checkedAt: parts.clock.now() })
      return { manifest: here, isStale: false }
    }
    const manifest = await fetchManifest(parts, found, tag.repository, tag.name)
    return manifest && { manifest, isStale: false }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    parts.log.warn({ repository: tag.repository, tag: tag.name }, `served stale: ${error.message}`)
    return { manifest: here, isStale: true }
  }
}

async function fetchManifest(
  parts: Parts,
  { upstream, path }: NonNullable<Found>,
  repository: string,
  reference: string,
): Promise<StoredManifest | undefined> {
  const answer = await upstream.manifest(path, reference)
  if (answer === undefined) return undefined
  const { raw, mediaType } = answer
  const digest = manifestDigest(raw, reference)
  if (isDigest(reference) && digest !== reference)
    throw new RegistryError('UNAVAILABLE', 'the upstream sent something else than was asked for', {
      status: 502,
    })
  const parsed = parseManifest(raw, mediaType)
  const now = parts.clock.now()
  const manifest = { repository, digest, raw, sizeBytes: raw.length, pushedAt: now, ...parsed }
  const tag = { repository, name: reference, digest, updatedAt: now, checkedAt: now }
  await parts.store.saveManifest(manifest, {
    tag: isDigest(reference) ? undefined : tag,
    isComplete: false,
  })
  return manifest
}
