/** The part of pino that modules use. The first argument holds fields, the second a sentence. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** For tests and for callers that don't care. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }
