import { createHash } from 'node:crypto'
import { isDigest } from '../blobs/index.ts'
import { RegistryError } from './errors.ts'
import { isImageType, isIndexType } from './media-types.ts'
import type { Manifest } from './model.ts'
import type { BlobReference, StoredManifest } from './ports.ts'

export const manifestLimitBytes = 4 * 1024 * 1024
const maxReferences = 10_000

/** What the bytes of a manifest say. */
export type ParsedManifest = Pick<
  StoredManifest,
  'mediaType' | 'references' | 'subject' | 'artifactType' | 'annotations'
>

type Json = Record<string, unknown>

/**
 * Reads a manifest or an index. `contentType` is the header's; where the body names its own type, both must agree, and
 * nothing may be a manifest and an index at once (CVE-2021-41190). Throws `MANIFEST_INVALID`.
 */
export function parseManifest(raw: Uint8Array, contentType: string | undefined): ParsedManifest {
  const json = parseJson(raw)
  const mediaType = mediaTypeOf(json, contentType)
  const isIndex = isIndexType(mediaType)
  if (json['schemaVersion'] !== 2) throw invalid('schemaVersion must be 2')
  if (isIndex ? 'layers' in json || 'config' in json : 'manifests' in json)
    throw invalid('it is a manifest and an index at once')
  if ('fsLayers' in json || 'history' in json) throw invalid('it mixes schema 1 and 2')
  return {
    mediaType,
    references: isIndex ? indexReferences(json) : imageReferences(json),
    ...('subject' in json && { subject: descriptor(json['subject'], 'subject').digest }),
    ...artifactTypeOf(json, isIndex),
    ...annotationsOf(json),
  }
}

function parseJson(raw: Uint8Array): Json {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(raw))
  } catch {
    throw invalid('it is not JSON')
  }
  if (!isObject(json)) throw invalid('it is not an object')
  return json
}

function mediaTypeOf(json: Json, contentType: string | undefined): string {
  const header = contentType?.split(';')[0]?.trim().toLowerCase()
  const own = json['mediaType']
  if (own !== undefined && typeof own !== 'string') throw invalid('mediaType must be a string')
  const mediaType = header === undefined || header === '' ? own : header
  if (mediaType === undefined) throw invalid('it has no media type: send a Content-Type')
  if (!isImageType(mediaType) && !isIndexType(mediaType))
    throw invalid(
      `${mediaType.slice(0, 100)} is not supported: use Docker schema 2 or OCI manifests and indexes`,
    )
  if (own !== undefined && own !== mediaType)
    throw invalid(`Content-Type says ${mediaType}, mediaType says ${own.slice(0, 100)}`)
  return mediaType
}

function imageReferences(json: Json): BlobReference[] {
  if (!Array.isArray(json['layers'])) throw invalid('layers must be a list')
  const layers: unknown[] = json['layers']
  return bounded([
    { kind: 'config', ...descriptor(json['config'], 'config') },
    ...layers.map((one, index) => ({
      kind: 'layer' as const,
      ...descriptor(one, `layers[${index}]`),
    })),
  ])
}

function indexReferences(json: Json): BlobReference[] {
  if (!Array.isArray(json['manifests'])) throw invalid('manifests must be a list')
  const manifests: unknown[] = json['manifests']
  return bounded(
    manifests.map((one, index) => ({
      kind: 'manifest',
      ...descriptor(one, `manifests[${index}]`),
    })),
  )
}

function bounded(references: BlobReference[]): BlobReference[] {
  if (references.length > maxReferences) throw invalid(`it has over ${maxReferences} references`)
  return references
}

/** OCI's descriptor, as far as we need it. `urls` are kept with the bytes and never followed. */
function descriptor(value: unknown, place: string): Omit<BlobReference, 'kind'> {
  if (!isObject(value)) throw invalid(`${place} must be an object`)
  const { mediaType, digest, size } = value
  if (typeof digest !== 'string' || !isDigest(digest))
    throw invalid(`${place}.digest is not a digest`)
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw invalid(`${place}.size must be a number of bytes`)
  if (typeof mediaType !== 'string' || mediaType === '')
    throw invalid(`${place}.mediaType is missing`)
  return { digest, sizeBytes: size, mediaType }
}

/** For referrers: an image without a type of its own has its configuration's (OCI 1.1, "Listing Referrers"). */
function artifactTypeOf(json: Json, isIndex: boolean): { artifactType?: string } {
  const own = json['artifactType']
  if (typeof own === 'string' && own !== '') return { artifactType: own }
  const config = json['config']
  if (isIndex || !isObject(config)) return {}
  return { artifactType: String(config['mediaType']) }
}

function annotationsOf(json: Json): { annotations?: Record<string, string> } {
  const annotations = json['annotations']
  if (annotations === undefined || annotations === null) return {}
  if (!isObject(annotations)) throw invalid('annotations must be an object')
  for (const value of Object.values(annotations))
    if (typeof value !== 'string') throw invalid('annotations must hold strings')
  return { annotations: annotations as Record<string, string> }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(why: string): RegistryError {
  return new RegistryError('MANIFEST_INVALID', `manifest invalid: ${why}`)
}

/** The digest of manifest bytes, with the algorithm of `like` when there is one. */
export function manifestDigest(raw: Uint8Array, like?: string): string {
  const algorithm = like?.startsWith('sha512:') ? 'sha512' : 'sha256'
  return `${algorithm}:${createHash(algorithm).update(raw).digest('hex')}`
}

/** The manifest of an index for linux/amd64: the first that says so, else the first without a platform. */
export function linuxAmd64(raw: Uint8Array): string | undefined {
  const { manifests } = JSON.parse(Buffer.from(raw).toString()) as {
    manifests: { digest: string; platform?: { os?: string; architecture?: string } }[]
  }
  const match = manifests.find(
    one => one.platform?.os === 'linux' && one.platform.architecture === 'amd64',
  )
  return (match ?? manifests.find(one => one.platform === undefined))?.digest
}

/** A stored manifest as the module's other callers see it. */
export function toManifest(stored: StoredManifest): Manifest {
  const { repository, digest, mediaType, sizeBytes, pushedAt, raw, references } = stored
  return {
    repository,
    digest,
    mediaType,
    sizeBytes,
    pushedAt,
    pushedBy: stored.pushedBy,
    pushedByJob: stored.pushedByJob,
    raw,
    configDigest: references.find(one => one.kind === 'config')?.digest,
    blobs: references
      .filter(one => one.kind !== 'manifest')
      .map(one => ({ digest: one.digest, sizeBytes: one.sizeBytes, mediaType: one.mediaType })),
  }
}
