import type { RefUpdate } from './index.ts'
import { band, flush, PacketReader, packet } from './pkt-line.ts'

/** The refs that `report-status` says were updated; undefined when there is no report. */
export function acceptedRefs(report: Uint8Array): Set<string> | undefined {
  const reader = new PacketReader()
  reader.add(report)
  const accepted = new Set<string>()
  let isReport = false
  for (let one = reader.next(); one !== undefined; one = reader.next()) {
    const line = one.payload.toString('utf8').replace(/\n$/, '')
    if (line.startsWith('unpack ')) isReport = true
    if (line.startsWith('ok ')) accepted.add(line.slice(3))
  }
  return isReport ? accepted : undefined
}

/** The answer to a push that is refused before git sees it, each ref with its reason. */
export function refusal(
  updates: readonly RefUpdate[],
  reasonOf: (update: RefUpdate) => string,
  capabilities: ReadonlySet<string>,
): Buffer {
  const wantsReport = capabilities.has('report-status') || capabilities.has('report-status-v2')
  if (!wantsReport) return flush
  const report = Buffer.concat([
    packet('unpack ok\n'),
    ...updates.map(update => packet(`ng ${update.ref} ${reasonOf(update)}\n`)),
    flush,
  ])
  return hasSideBand(capabilities) ? Buffer.concat([band(1, report), flush]) : report
}

export function hasSideBand(capabilities: ReadonlySet<string>): boolean {
  return capabilities.has('side-band-64k')
}
