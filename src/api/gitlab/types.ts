import { type TSchema, Type } from '@fastify/type-provider-typebox'

/** Small schemas that many resources share. */
/** Null stands first: coercion would turn it into an empty text. */
export const nullable = <T extends TSchema>(schema: T) => Type.Union([Type.Null(), schema])
export const instant = Type.String({ format: 'date-time', description: 'ISO 8601, UTC.' })

/** `2026-11-23T09:15:00.000Z` */
export function iso(at: number): string {
  return new Date(at).toISOString()
}

export function isoOrNull(at: number | undefined): string | null {
  return at === undefined ? null : iso(at)
}

export const projectParam = Type.Object({
  id: Type.String({ description: "The project's number, or its URL-encoded path." }),
})

/** What every GitLab answer to a mistake looks like. */
export const ErrorBody = Type.Object(
  { message: Type.Optional(Type.Unknown()), error: Type.Optional(Type.String()) },
  { additionalProperties: true },
)
