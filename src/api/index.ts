/**
 * HTTP to module calls, in two dialects: GitLab REST v4 (`gitlab/`) and Heroku Platform v3 (`heroku/`). Failures become each dialect's errors.
 */

export { type Api, createApi } from './api.ts'
export type { House } from './gitlab/context.ts'
export type { EventStream, Health, ImageOrigins, LiveEvent, Urls } from './ports.ts'
