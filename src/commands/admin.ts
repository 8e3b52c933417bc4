import { Command } from 'commander'
import { imagesCommand } from './admin-images.ts'

/** `slipway admin …`: what the administrator of this machine does to the Slipway that serves from a data directory. */
export function adminCommand(): Command {
  return new Command('admin')
    .description('administer the Slipway that serves from a data directory')
    .addCommand(imagesCommand())
}
