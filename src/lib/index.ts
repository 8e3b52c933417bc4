/** Helpers without product words. Nothing here knows what Slipway is. */
export { Gate, KeyedMutex } from './async.ts'
export { type Clock, manualClock, systemClock } from './clock.ts'
export { Failure, type FailureCode, type FailureOptions, messageOf } from './failure.ts'
export { type Logger, silentLogger } from './logger.ts'
export { newToken, type Random, seededRandom, sha256, systemRandom, uuid } from './random.ts'
export { Secret } from './secret.ts'
export { editDistance, suggest } from './suggest.ts'
