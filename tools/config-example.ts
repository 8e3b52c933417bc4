/** Writes slipway.example.yml from the settings' table. */
import { writeFileSync } from 'node:fs'
import { exampleFile } from '../src/commands/config.ts'

writeFileSync(new URL('../slipway.example.yml', import.meta.url), exampleFile())
