import type { LayerRecipe } from './layer.ts'
import type { StandIn } from './stand-in.ts'
import { usualPath } from './stand-in.ts'

const layer: LayerRecipe = {
  name: 'busybox',
  packages: ['busybox-static'],
  omit: /^(?!busybox-static$)/,
  skip: /^usr\/share\//,
  skeleton: true,
}

export const busybox: StandIn = {
  name: 'busybox',
  repository: 'docker.io/library/busybox',
  tags: ['latest'],
  layers: [layer],
  config: { command: ['sh'], env: [usualPath] },
  about: "the system's static busybox",
}
