import { isDigest } from '../blobs/index.ts'
import { kindOf } from './names.ts'
import type { RegistryOptions, StoredManifest } from './ports.ts'

/** Images of other registries, under `{host}/…`. */
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
}

export function createMirror(parts: Pick<RegistryOptions, 'store'>): Mirror {
  return {
    has: repository => kindOf(repository).kind === 'mirror',
    async manifest(repository, reference) {
      const digest = isDigest(reference)
        ? reference
        : (await parts.store.tag(repository, reference))?.digest
      if (digest === undefined) return undefined
      const manifest = await parts.store.manifest(repository, digest)
      return manifest && { manifest, isStale: false }
    },
    blob: async () => undefined,
  }
}
