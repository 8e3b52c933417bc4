import type { IncomingMessage, ServerResponse } from 'node:http'

export interface Manifest {
  repository: string
  digest: string
  mediaType: string
  sizeBytes: number
  /** `config.digest` of an image. */
  configDigest?: string
  /** Layers and config. */
  blobs: { digest: string; sizeBytes: number; mediaType: string }[]
  pushedAt: number
  pushedBy?: number
  /** The job that pushed it, when it did so with its own token. */
  pushedByJob?: number
  raw: Uint8Array
}

export interface Tag {
  repository: string
  name: string
  digest: string
  updatedAt: number
}

export interface RegistryEvent {
  type: 'pushed'
  repository: string
  tag?: string
  digest: string
  configDigest?: string
  userId: number
  /** When a job pushed it. */
  jobId?: number
}

export interface Registry {
  /** Answers `/v2/…` and `/jwt/auth`; false for anything else. The `Host` header chooses the view: `registry.heroku.com` puts `heroku/` before the name, `registry-1.docker.io` puts `docker.io/`. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<boolean>
  /** By tag, manifest digest or config digest; an index resolves to linux/amd64. From the mirror's upstream too when that is configured. */
  resolve(repository: string, reference: string): Promise<Manifest | undefined>
  repositories(
    prefix: string,
  ): Promise<{ name: string; tags: number; sizeBytes: number; updatedAt: number }[]>
  tags(repository: string): Promise<Tag[]>
  deleteTag(repository: string, tag: string): Promise<void>
  /** A short-lived credential for our own engine to pull these repositories (Basic). */
  pullCredential(repository: string): Promise<{ username: string; password: string }>
  /** Removes what nothing needs, while serving. */
  collectGarbage(options: GarbageOptions): Promise<GarbageReport>
  /** Reads every blob again; what doesn't match its digest is removed, so that the next push or pull brings it whole. */
  scrub(signal: AbortSignal): Promise<{ checked: number; damaged: string[] }>
}

export interface GarbageOptions {
  /** Only says what would go. */
  isDryRun: boolean
  /** What is in use although no tag says so: releases, rollback targets, running containers. By manifest digest. */
  pins: ReadonlyMap<string, string>
  /** Untagged manifests go after this long; undefined keeps them. */
  untaggedAfterMs?: number
  signal: AbortSignal
}

export interface GarbageReport {
  uploads: number
  manifests: { repository: string; digest: string }[]
  /** Untagged manifests that stay, and what uses them. */
  pinned: { repository: string; digest: string; by: string }[]
  blobs: { digest: string; sizeBytes: number }[]
  freedBytes: number
}

/** The part of an image's configuration that whoever builds an image decides. */
export interface ImageConfig {
  entrypoint?: string[]
  command?: string[]
  env?: string[]
  user?: string
  workingDir?: string
  exposedPorts?: string[]
  volumes?: string[]
  labels?: Record<string, string>
}
