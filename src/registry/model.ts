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
  /** Puts an image of one layer made here (stand-ins): blobs first, then manifest and tags. */
  putImage(image: {
    repository: string
    tags: string[]
    layers: AsyncIterable<Uint8Array>[]
    config: ImageConfig
  }): Promise<{ digest: string }>
}

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
