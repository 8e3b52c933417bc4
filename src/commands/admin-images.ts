import { Command } from 'commander'
import { reachesDockerHub } from './images/reachable.ts'
import { cacheDirectory, namesOf, type SeedProgress, seedImages, standIns } from './images/seed.ts'
import { findLocalServer } from './local-client.ts'

/** `slipway admin images seed|list` */
export function imagesCommand(): Command {
  return new Command('images')
    .description('stand-ins for the base images that pipelines pull, for machines without internet')
    .addCommand(seedCommand())
    .addCommand(listCommand())
}

function seedCommand(): Command {
  return new Command('seed')
    .description(
      "make stand-ins from this machine's packages and push them into the Docker Hub mirror of the Slipway that serves from DIR",
    )
    .argument('[name...]', `which: ${[...new Set(standIns().map(one => one.name))].join(', ')}`)
    .option('--data <dir>', 'data directory of the running Slipway', './data')
    .option('--unless-online', 'do nothing when Docker Hub can be reached')
    .addHelpText(
      'after',
      '\nThe mirror answers with what it has before it asks Docker Hub, so a stand-in takes its image’s place.\nslipway admin images list says what each is made of.',
    )
    .action(async (names: string[], options: { data: string; unlessOnline?: boolean }) => {
      if (options.unlessOnline && (await reachesDockerHub()))
        return console.log('Docker Hub can be reached: no stand-ins are needed.')
      const seeded = await seedImages({
        server: await findLocalServer(options.data),
        cacheDirectory: cacheDirectory(process.env),
        only: names,
        onProgress: progress => console.log(progressLine(progress)),
      })
      console.log(`${seeded.length} images are in the mirror.`)
    })
}

function progressLine({ name, step, done, total }: SeedProgress): string {
  const words = {
    building: 'is being made',
    pushing: 'is made, goes into the mirror',
    pushed: `is there (${done} of ${total})`,
    kept: `was there (${done} of ${total})`,
  }
  return `${name} ${words[step]}`
}

function listCommand(): Command {
  return new Command('list').description('say which stand-ins there are').action(() => {
    for (const image of standIns())
      console.log(`${namesOf(image).join(', ').padEnd(40)} ${image.about}`)
  })
}
