/** `slipway`: the one program. Each subcommand is a file in commands/. */
import { Command } from 'commander'
import { adminCommand } from './commands/admin.ts'
import { lintCommand } from './commands/lint.ts'
import { registryCommand } from './commands/registry.ts'
import { serveCommand } from './commands/serve.ts'
import { upCommand } from './commands/up.ts'
import { versionCommand } from './commands/version.ts'
import { Failure } from './lib/index.ts'

const program = new Command('slipway')
  .description('git push to production in one process: git, pipelines, runner, registry, apps')
  .showSuggestionAfterError()
  .showHelpAfterError('(slipway --help lists the commands; slipway COMMAND --help teaches one)')
  .addHelpText(
    'after',
    '\nStart here:\n  slipway serve --data ./data     everything, at http://localhost:10080\n  slipway lint .gitlab-ci.yml     what a pipeline would do, without pushing',
  )
program
  .addCommand(serveCommand())
  .addCommand(upCommand())
  .addCommand(lintCommand())
  .addCommand(adminCommand())
  .addCommand(registryCommand())
  .addCommand(versionCommand())

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof Failure)) throw error
  console.error(`slipway: ${error.message}`)
  if (error.hint !== undefined) console.error(`  ${error.hint}`)
  process.exitCode = 1
}
