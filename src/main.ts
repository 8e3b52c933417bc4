/** `slipway`: the one program. Each subcommand is a file in commands/, loaded only when it is asked for: `slipway lint` needs no server. */
import { Command } from 'commander'
import { Failure } from './lib/index.ts'

const commands: Record<string, () => Promise<Command>> = {
  serve: async () => (await import('./commands/serve.ts')).serveCommand(),
  up: async () => (await import('./commands/up.ts')).upCommand(),
  lint: async () => (await import('./commands/lint.ts')).lintCommand(),
  admin: async () => (await import('./commands/admin.ts')).adminCommand(),
  registry: async () => (await import('./commands/registry.ts')).registryCommand(),
  version: async () => (await import('./commands/version.ts')).versionCommand(),
}

const program = new Command('slipway')
  .description('git push to production in one process: git, pipelines, runner, registry, apps')
  .showSuggestionAfterError()
  .showHelpAfterError('(slipway --help lists the commands; slipway COMMAND --help teaches one)')
  .addHelpText(
    'after',
    '\nStart here:\n  slipway serve --data ./data     everything, at http://localhost:10080\n  slipway lint .gitlab-ci.yml     what a pipeline would do, without pushing',
  )
const asked = commands[process.argv[2] ?? '']
for (const load of asked === undefined ? Object.values(commands) : [asked])
  program.addCommand(await load())

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof Failure)) throw error
  console.error(`slipway: ${error.message}`)
  if (error.hint !== undefined) console.error(`  ${error.hint}`)
  process.exitCode = 1
}
