/**
 * The runner: claims jobs from a {@link Coordinator}, runs them as containers of an {@link Engine}, streams their logs.
 *
 * Each run of a job has a network, a volume with its sources, a helper container (gateway to Slipway, git), its services and a build
 * container; all of them carry `slipway.instance`, `slipway.job`, `slipway.run` and `slipway.kind=job`, and all are gone when it is over.
 */
export type { Platform, PullPolicy, RunnerConfig, RunnerOptions } from './options.ts'
export { createRunner, type Runner } from './runner.ts'
