import type { AppStore } from '../apps/ports.ts'
import type { Clock } from '../lib/index.ts'
import type { Registry } from '../registry/index.ts'

const everyMs = 24 * 3_600_000

/** Once a day, while serving: what no manifest needs goes. Untagged manifests stay: releases may need them. */
export async function careForRegistry(
  registry: Registry,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await clock.sleep(everyMs, signal)
    await registry.collectGarbage({ isDryRun: false, pins: new Map(), signal })
  }
}

/** Every image that a release holds, current or not: all may be rolled back to. By manifest digest, with what uses it. */
export async function pinsOfReleases(
  apps: Pick<AppStore, 'apps' | 'releases'>,
): Promise<Map<string, string>> {
  const pins = new Map<string, string>()
  for (const app of await apps.apps())
    for (const release of await apps.releases(app.id))
      for (const [type, image] of Object.entries(release.images))
        pins.set(image.digest, `${type} of release v${release.version} of ${app.name}`)
  return pins
}
