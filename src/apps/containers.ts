import type { ContainerSpec, ContainerState, Labels } from '../engine/index.ts'
import { memoryBytes } from './sizes.ts'

/** What every web process is told to listen on, in its own network. */
export const port = 5000

const label = {
  instance: 'slipway.instance',
  kind: 'slipway.kind',
  app: 'slipway.app',
  release: 'slipway.release',
  version: 'slipway.version',
  dyno: 'slipway.dyno',
  dynoId: 'slipway.dyno-id',
  size: 'slipway.size',
} as const

/** Of everything that apps have on the engine. */
export function instanceLabels(instanceId: string): Labels {
  return { [label.instance]: instanceId, [label.kind]: 'app' }
}

export function appLabels(instanceId: string, appId: string): Labels {
  return { ...instanceLabels(instanceId), [label.app]: appId }
}

/** The app's own network: its processes reach each other, and nothing of other apps. */
export function networkName(instanceId: string, appId: string): string {
  return `slipway-${instanceId}-app-${appId}`
}

/** One process of one release. */
export interface DynoSpec {
  /** UUID of the dyno. */
  id: string
  appId: string
  appName: string
  name: string
  type: string
  size: string
  releaseId: string
  releaseVersion: number
  config: Readonly<Record<string, string>>
  /** On the engine. */
  image: string
  command: string
}

export function containerSpec(
  instanceId: string,
  dyno: DynoSpec,
  suffix: string,
  logMaxBytes: number,
): ContainerSpec {
  return {
    name: `slipway-${instanceId}-${dyno.appName}-v${dyno.releaseVersion}-${dyno.name}-${suffix}`,
    image: dyno.image,
    // The platform's own names win.
    env: { ...dyno.config, PORT: String(port), DYNO: dyno.name },
    hostname: dyno.name.replace(/[^A-Za-z0-9-]/g, '-'),
    labels: {
      ...appLabels(instanceId, dyno.appId),
      [label.release]: dyno.releaseId,
      [label.version]: String(dyno.releaseVersion),
      [label.dyno]: dyno.name,
      [label.dynoId]: dyno.id,
      [label.size]: dyno.size,
    },
    network: networkName(instanceId, dyno.appId),
    aliases: [dyno.type],
    memoryBytes: memoryBytes(dyno.size),
    pidsLimit: 512,
    logMaxBytes,
  }
}

/** What a container's labels say of it. */
export interface Found {
  container: ContainerState
  appId: string
  releaseId: string
  dyno: string
  dynoId: string
  size: string
}

export function foundOf(container: ContainerState): Found {
  const of = (name: string) => container.labels[name] ?? ''
  return {
    container,
    appId: of(label.app),
    releaseId: of(label.release),
    dyno: of(label.dyno),
    dynoId: of(label.dynoId),
    size: of(label.size),
  }
}
