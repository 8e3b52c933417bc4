import type { ImageConfig } from '../../registry/index.ts'
import type { LayerRecipe } from './layer.ts'

/** A small image that takes a well-known one's place where Docker Hub can't be reached. */
export interface StandIn {
  /** What people call it on the command line. */
  name: string
  /** In the mirror: `docker.io/library/node`. */
  repository: string
  tags: readonly string[]
  layers: readonly LayerRecipe[]
  config: ImageConfig
  /** One line for people: what it is made of, and what the real image has and this one hasn't. */
  about: string
}

export const usualPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
