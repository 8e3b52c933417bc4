/**
 * OCI distribution: uploads, blobs, manifests, tags. Three kinds of repository, told apart by name:
 * `{namespace}/{project}[/more]` of a project, `heroku/{app}/{process}` of an app, `docker.io/{name}` (any upstream host) of the mirror.
 */
export type {
  GarbageOptions,
  GarbageReport,
  ImageConfig,
  Manifest,
  Registry,
  RegistryEvent,
  Tag,
} from './model.ts'
export type {
  BlobReference,
  HttpClient,
  MirrorUpstream,
  RegistryOptions,
  RegistryStore,
  StoredManifest,
  StoredTag,
  StoredUpload,
} from './ports.ts'
export { createRegistry } from './registry.ts'
