import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { pino } from 'pino'
import { flags, loadConfig } from './config.ts'
import { startServer } from './server.ts'

/** `slipway serve` */
export function serveCommand(): Command {
  const command = new Command('serve')
    .description(
      'serve everything from one data directory: git, pipelines, runner, registry, apps, API, console',
    )
    .option('--config <file>', 'configuration file (slipway.example.yml shows every setting)')
    .addHelpText(
      'after',
      '\nEvery flag is also an environment variable: --log-level is SLIPWAY_LOG_LEVEL.\nSecrets have no flag: SLIPWAY_ROOT_PASSWORD, SLIPWAY_ROOT_TOKEN.\n\nExample:\n  slipway serve --data ./data --listen 127.0.0.1:10080',
    )
  for (const { flag, help } of flags()) command.option(flag, help)
  return command.action(async (options: Record<string, string | undefined>) => {
    const { config: file, ...given } = options
    const config = loadConfig({ flags: given, env: process.env, file })
    const log = pino(
      {
        level: config.logLevel,
        base: null,
        redact: ['token', 'password', '*.token', '*.password'],
      },
      pino.destination({ dest: 2, sync: true }),
    )
    const server = await startServer(config, log)
    console.log(`Slipway serves at ${server.url}`)
    if (server.passwordFile !== undefined && existsSync(server.passwordFile))
      console.log(`  user root, password in ${server.passwordFile}`)
    let isEnding = false
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (isEnding) process.exit(1)
        isEnding = true
        server.close().then(
          () => process.exit(0),
          error => {
            log.error({ error }, 'did not end in order')
            process.exit(1)
          },
        )
      })
    }
  })
}
