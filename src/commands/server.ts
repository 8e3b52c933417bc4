/** The composition root: builds every module with its adapters and starts them. The program is a value: start it, close it; tests do the same. */
import { rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { argon2Hashing, createAccounts } from '../accounts/index.ts'
import { createApi } from '../api/index.ts'
import { createApps } from '../apps/index.ts'
import { createFsAppends, createFsBlobs } from '../blobs/index.ts'
import { createPipelines } from '../ci/index.ts'
import { connectionFrom, createDockerEngine } from '../engine/docker/index.ts'
import { createEvents } from '../events.ts'
import { createFlow } from '../flow.ts'
import { createGit } from '../git/index.ts'
import { type Logger, newToken, systemClock, systemRandom } from '../lib/index.ts'
import { createLogs } from '../logs/index.ts'
import { createRegistry } from '../registry/index.ts'
import { createRouter } from '../router/index.ts'
import { openStore } from '../store/index.ts'
import type { Config } from './config.ts'
import { consoleBuild, serveConsole } from './console.ts'
import { instanceId, openDataDirectory } from './data-directory.ts'
import { createFront } from './front.ts'
import { ensureRoot } from './root.ts'

export interface RunningServer {
  readonly url: string
  /** Ends in order; apps and their containers keep running. */
  close(): Promise<void>
}
