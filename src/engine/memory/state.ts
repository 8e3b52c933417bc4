import type { Clock, Random } from '../../lib/index.ts'
import type { EngineEvent, Labels } from '../index.ts'
import type { MemoryContainer } from './containers.ts'
import type { MemoryImages } from './images.ts'

/** What the parts of a memory engine share. */
export interface MemoryState {
  readonly clock: Clock
  readonly random: Random
  readonly images: MemoryImages
  readonly containers: Map<string, MemoryContainer>
  readonly networks: Map<string, { name: string; labels: Labels }>
  readonly volumes: Map<string, Labels>
  readonly tell: (event: EngineEvent) => void
}
