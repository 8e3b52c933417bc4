import { Command } from 'commander'
import { argon2Hashing, createAccounts } from '../accounts/index.ts'
import { createFsBlobs } from '../blobs/index.ts'
import { Failure, silentLogger, systemClock, systemRandom } from '../lib/index.ts'
import { createRegistry, type GarbageReport, type Registry } from '../registry/index.ts'
import { openStore, type Store } from '../store/index.ts'
import { openDataDirectory } from './data-directory.ts'
import { pinsOfReleases } from './registry-care.ts'

const dayMs = 24 * 3_600_000

/** `slipway registry gc|scrub` */
export function registryCommand(): Command {
  return new Command('registry')
    .description('look after the images of a data directory that no Slipway serves from just now')
    .addCommand(garbageCommand())
    .addCommand(scrubCommand())
}

function garbageCommand(): Command {
  return new Command('gc')
    .description('remove uploads, layers and (when asked to) untagged images that nothing needs')
    .option('--data <dir>', 'data directory', './data')
    .option('--dry-run', 'only say what would go, and what keeps the rest')
    .option('--untagged-after <days>', 'also remove images without a tag that are older', wholeDays)
    .addHelpText(
      'after',
      '\nImages that any release of any app uses stay, whatever their age: a rollback needs them.\nLayers pushed less than a day ago stay too. A serving Slipway does this by itself every day, except for untagged images.',
    )
    .action(async (options: { data: string; dryRun?: boolean; untaggedAfter?: number }) => {
      await withRegistry(options.data, async (registry, store) => {
        const { untaggedAfter } = options
        const report = await registry.collectGarbage({
          isDryRun: options.dryRun === true,
          pins: await pinsOfReleases(store.apps),
          untaggedAfterMs: untaggedAfter === undefined ? undefined : untaggedAfter * dayMs,
          signal: new AbortController().signal,
        })
        for (const line of reportLines(report, options.dryRun === true)) console.log(line)
      })
    })
}

function scrubCommand(): Command {
  return new Command('scrub')
    .description('read every stored blob again and remove those whose bytes have rotted')
    .option('--data <dir>', 'data directory', './data')
    .action(async (options: { data: string }) => {
      await withRegistry(options.data, async registry => {
        const { checked, damaged } = await registry.scrub(new AbortController().signal)
        for (const digest of damaged) console.log(`damaged, removed: ${digest}`)
        console.log(`${checked} blobs read, ${damaged.length} damaged.`)
        if (damaged.length === 0) return
        console.log('Push the images that need them again; mirrored ones come back by themselves.')
        process.exitCode = 1
      })
    })
}

function wholeDays(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text)
  throw new Failure('invalid', `--untagged-after ${text} is not a number of days`)
}

/** What `gc` prints. */
export function reportLines(report: GarbageReport, isDryRun: boolean): string[] {
  const verb = isDryRun ? 'would go' : 'gone'
  return [
    ...report.manifests.map(one => `${verb}: image ${one.repository}@${one.digest}`),
    ...report.pinned.map(one => `stays: image ${one.repository}@${one.digest}: ${one.by}`),
    ...report.blobs.map(one => `${verb}: layer ${one.digest} (${one.sizeBytes} bytes)`),
    `${report.uploads} unfinished uploads, ${report.manifests.length} images, ${report.blobs.length} layers ${verb}: ${(report.freedBytes / 1e6).toFixed(1)} MB.`,
  ]
}

/** Takes the data directory's lock, so that no server writes meanwhile. */
async function withRegistry(
  directory: string,
  work: (registry: Registry, store: Store) => Promise<void>,
): Promise<void> {
  const data = openDataDirectory(directory)
  const store = await openStore(data.at('slipway.db'))
  const [clock, random] = [systemClock, systemRandom]
  const accounts = createAccounts({
    ...{ store: store.accounts, clock, random },
    hashing: argon2Hashing(),
  })
  const registry = createRegistry({
    ...{ store: store.registry, accounts, clock, random },
    blobs: createFsBlobs({ directory: data.at('blobs') }),
    log: silentLogger,
    appFor: async () => undefined,
    onEvent: () => {},
    signingKey: random.bytes(32),
  })
  try {
    await work(registry, store)
  } finally {
    await store.close()
    data.unlock()
  }
}
