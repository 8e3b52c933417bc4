/** What the registry needs from others. */
import type { Accounts } from '../accounts/index.ts'
import type { BlobStore } from '../blobs/index.ts'
import type { Clock, Logger, Random, Secret } from '../lib/index.ts'
import type { RegistryEvent } from './model.ts'

export interface StoredUpload {
  id: string
  repository: string
  userId: number
  startedAt: number
}

/** One edge from a manifest: to its configuration, a layer, or (from an index) another manifest. */
export interface BlobReference {
  kind: 'config' | 'layer' | 'manifest'
  digest: string
  sizeBytes: number
  mediaType: string
}

export interface StoredManifest {
  repository: string
  digest: string
  mediaType: string
  sizeBytes: number
  raw: Uint8Array
  references: BlobReference[]
  /** The manifest that this one says something about; it need not be here. */
  subject?: string
  artifactType?: string
  annotations?: Record<string, string>
  pushedAt: number
  pushedBy?: number
  /** The job that pushed it. */
  pushedByJob?: number
}

export interface StoredTag {
  repository: string
  name: string
  digest: string
  updatedAt: number
  /** When an upstream last said that the tag still means this digest; undefined for what was pushed here. */
  checkedAt?: number
}

/** Rows behind the registry. Each call is one transaction, durable when it resolves. Names are those of `names.ts`, with prefix. */
export interface RegistryStore {
  saveUpload(upload: StoredUpload): Promise<void>
  upload(id: string): Promise<StoredUpload | undefined>
  deleteUpload(id: string): Promise<void>

  /** Says that the blob may be read in this repository. */
  linkBlob(link: {
    repository: string
    digest: string
    sizeBytes: number
    linkedAt: number
  }): Promise<void>
  linkedBlob(repository: string, digest: string): Promise<{ sizeBytes: number } | undefined>
  /** False when it wasn't linked. */
  unlinkBlob(repository: string, digest: string): Promise<boolean>
  /** Whether a repository whose name starts with one of these prefixes links the blob. */
  isLinkedUnder(prefixes: readonly string[], digest: string): Promise<boolean>

  /**
   * Manifest, its references, and the tag if there is one. With `isComplete`, everything that it refers to must be in the
   * repository: the answer is what is missing, and when that isn't empty nothing was saved. Saving a manifest again
   * changes who pushed it last and its tag.
   */
  saveManifest(
    manifest: StoredManifest,
    options: { tag?: StoredTag; isComplete: boolean },
  ): Promise<string[]>
  manifest(repository: string, digest: string): Promise<StoredManifest | undefined>
  /** The newest manifest of the repository with this configuration. */
  manifestByConfig(repository: string, configDigest: string): Promise<StoredManifest | undefined>
  /** With its tags. False when it wasn't there. */
  deleteManifest(repository: string, digest: string): Promise<boolean>
  /** Manifests whose subject is this digest, oldest first. */
  referrers(repository: string, subject: string): Promise<StoredManifest[]>

  tag(repository: string, name: string): Promise<StoredTag | undefined>
  saveTag(tag: StoredTag): Promise<void>
  deleteTag(repository: string, name: string): Promise<boolean>
  /** In byte order, after `after`. */
  tags(repository: string, page: { after?: string; limit: number }): Promise<StoredTag[]>

  /** Whether any repository links the blob. */
  isLinked(digest: string): Promise<boolean>
  /** Links made before `before` that no manifest of their repository uses. */
  unusedLinks(before: number): Promise<{ repository: string; digest: string; sizeBytes: number }[]>
  /** Deletes the link if it still is unused and as old. False when it was kept. */
  deleteUnusedLink(link: { repository: string; digest: string }, before: number): Promise<boolean>
  /** Manifests pushed before `before` without a tag, that no index holds and whose subject isn't in the repository. */
  untaggedManifests(before: number): Promise<{ repository: string; digest: string }[]>

  hasRepository(name: string): Promise<boolean>
  /** In byte order, after `after`. `sizeBytes` counts each blob once. */
  repositories(page: {
    prefix: string
    after?: string
    limit: number
  }): Promise<{ name: string; tags: number; sizeBytes: number; updatedAt: number }[]>
}

/** An HTTP request to somewhere else. It follows no redirects; header names are lower case. */
export type HttpClient = (request: {
  method: 'GET' | 'HEAD'
  url: string
  headers: Record<string, string>
  signal: AbortSignal
}) => Promise<{
  status: number
  headers: Record<string, string | undefined>
  /** Must be read to its end or left by `return()`. */
  body: AsyncIterable<Uint8Array>
}>

/** A registry elsewhere whose images are served here under `{prefix}/`. */
export interface MirrorUpstream {
  /** `docker.io` */
  prefix: string
  /** `https://registry-1.docker.io` */
  url: string
  credentials?: { username: string; password: Secret }
  /** Hosts besides the upstream's own that may see the credentials, for tokens (`auth.docker.io`). */
  realmHosts?: readonly string[]
  /** Names below the prefix that may be fetched: `library/*`; `*` stands for anything. All when undefined. */
  allow?: readonly string[]
}

export interface RegistryOptions {
  store: RegistryStore
  blobs: BlobStore
  accounts: Pick<Accounts, 'authenticate' | 'may' | 'project' | 'user'>
  /** Who owns the app `name`: the rights on `heroku/{name}/…`. */
  appFor(name: string): Promise<{ ownerId: number; collaboratorIds: readonly number[] } | undefined>
  /** What needs the manifest although no tag says so (a release); such a manifest can't be deleted. */
  usedBy?(digest: string): Promise<string | undefined>
  clock: Clock
  random: Random
  log: Logger
  onEvent(event: RegistryEvent): void
  /** At least 32 bytes. Tokens are signed with it, so it must stay the same over a restart. */
  signingKey: Uint8Array
  /** Host names that have views of their own; see `views.ts` for the defaults. */
  hosts?: { heroku?: readonly string[]; hub?: readonly string[]; mirror?: readonly string[] }
  upstreams?: readonly MirrorUpstream[]
  /** Needed when there are upstreams. */
  http?: HttpClient
}
