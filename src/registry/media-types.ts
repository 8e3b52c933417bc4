/** Media types of manifests that may be pushed. */
export const mediaTypes = {
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const

const images: readonly string[] = [mediaTypes.dockerManifest, mediaTypes.ociManifest]
const indexes: readonly string[] = [mediaTypes.dockerList, mediaTypes.ociIndex]

export const isImageType = (mediaType: string) => images.includes(mediaType)
export const isIndexType = (mediaType: string) => indexes.includes(mediaType)
/** In the order in which we ask an upstream for them. */
export const acceptedTypes = [...indexes, ...images].join(', ')
