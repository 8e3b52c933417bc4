import { createHash } from 'node:crypto'
import type { KeyedMutex } from '../lib/index.ts'
import { messageOf } from '../lib/index.ts'
import type { GarbageOptions, GarbageReport } from './model.ts'
import type { RegistryOptions } from './ports.ts'

type Parts = Pick<RegistryOptions, 'store' | 'blobs' | 'clock' | 'log'> & { turns: KeyedMutex }

/** Uploads and blobs that no manifest uses yet are left alone this long: their push may still be under way. */
const graceMs = 24 * 3_600_000

/**
 * Removes expired uploads, untagged manifests (when asked to), links that nothing uses, and blobs without links, in
 * that order; each step leaves a state in which everything that shows is whole. It runs beside pushes: making a link and
 * deleting a blob take turns by digest, and a link goes only in the statement that sees it unused.
 */
export async function collectGarbage(
  parts: Parts,
  options: GarbageOptions,
): Promise<GarbageReport> {
  const report: GarbageReport = { uploads: 0, manifests: [], pinned: [], blobs: [], freedBytes: 0 }
  const before = parts.clock.now() - graceMs
  await expireUploads(parts, before, options, report)
  await removeUntagged(parts, options, report)
  const unused = await parts.store.unusedLinks(before)
  for (const link of unused) {
    options.signal.throwIfAborted()
    if (options.isDryRun) report.blobs.push({ digest: link.digest, sizeBytes: link.sizeBytes })
    else if (await parts.store.deleteUnusedLink(link, before))
      await removeIfUnlinked(parts, link, report)
  }
  report.freedBytes = report.blobs.reduce((sum, blob) => sum + blob.sizeBytes, 0)
  const { uploads, manifests, blobs, freedBytes } = report
  const counts = { uploads, manifests: manifests.length, blobs: blobs.length, freedBytes }
  parts.log.info({ ...counts, isDryRun: options.isDryRun }, 'garbage collected')
  return report
}

async function expireUploads(
  parts: Parts,
  before: number,
  { isDryRun }: GarbageOptions,
  report: GarbageReport,
): Promise<void> {
  for await (const id of parts.blobs.staleUploads(before)) {
    // The blob store may hold others' uploads: only a session of ours, or a fetch that ended, is ours to end.
    if ((await parts.store.upload(id)) === undefined) continue
    report.uploads++
    if (isDryRun) continue
    await parts.blobs.abortUpload(id)
    await parts.store.deleteUpload(id)
  }
}

async function removeUntagged(
  parts: Parts,
  { isDryRun, pins, untaggedAfterMs, signal }: GarbageOptions,
  report: GarbageReport,
): Promise<void> {
  if (untaggedAfterMs === undefined) return
  const old = await parts.store.untaggedManifests(parts.clock.now() - untaggedAfterMs)
  for (const manifest of old) {
    signal.throwIfAborted()
    const by = pins.get(manifest.digest)
    if (by !== undefined) report.pinned.push({ ...manifest, by })
    else {
      report.manifests.push(manifest)
      if (!isDryRun) await parts.store.deleteManifest(manifest.repository, manifest.digest)
    }
  }
}

async function removeIfUnlinked(
  parts: Parts,
  { digest, sizeBytes }: { digest: string; sizeBytes: number },
  report: GarbageReport,
): Promise<void> {
  await parts.turns.run(digest, async () => {
    if (await parts.store.isLinked(digest)) return
    await parts.blobs.delete(digest)
    report.blobs.push({ digest, sizeBytes })
  })
}

/** Hashes every blob. A damaged one is worth nothing: it goes, and with it the claim that it is here. */
export async function scrub(
  parts: Parts,
  signal: AbortSignal,
): Promise<{ checked: number; damaged: string[] }> {
  let checked = 0
  const damaged: string[] = []
  for await (const { digest } of parts.blobs.list()) {
    signal.throwIfAborted()
    checked++
    if (await isWhole(parts, digest)) continue
    damaged.push(digest)
    await dropDamaged(parts, digest)
  }
  return { checked, damaged }
}

/** Removes a blob whose bytes aren't its digest's any more, so that a push or a pull from upstream can bring it again. */
export async function dropDamaged(parts: Parts, digest: string): Promise<void> {
  parts.log.error({ digest }, 'a stored blob is damaged: it was removed; push it again')
  await parts.turns.run(digest, () => parts.blobs.delete(digest))
}

async function isWhole(parts: Parts, digest: string): Promise<boolean> {
  const hash = createHash(digest.split(':')[0]!)
  try {
    for await (const chunk of await parts.blobs.read(digest)) hash.update(chunk)
  } catch (error) {
    parts.log.warn({ digest, reason: messageOf(error) }, 'a blob could not be read')
    return (await parts.blobs.stat(digest)) === undefined
  }
  return `${digest.split(':')[0]}:${hash.digest('hex')}` === digest
}
