import { createHash } from 'node:crypto'

/** Lower case, `[a-z0-9-]`, at most 63 characters: `CI_COMMIT_REF_SLUG` and its like. */
export function slugOf(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '')
}

/** `CI_ENVIRONMENT_SLUG`: 24 characters, starts with a letter, and differs for names that look alike. */
export function environmentSlug(name: string): string {
  let slug = name.toLowerCase().replace(/[^a-z0-9]/g, '-')
  if (!/^[a-z]/.test(slug)) slug = `env-${slug}`
  slug = slug.replace(/-+/g, '-')
  if (slug.length <= 24 && slug === name) return slug.replace(/-$/, '')
  const hash = BigInt(`0x${createHash('sha256').update(name).digest('hex')}`).toString(36)
  const head = slug.slice(0, 17)
  return `${head}${head.endsWith('-') ? '' : '-'}${hash.slice(-6)}`
}

const tiers: readonly [RegExp, string][] = [
  [/dev|review|trunk/i, 'development'],
  [/test|tst|int|ac(?:ce|)pt|qa|qc|control|quality/i, 'testing'],
  [/st(?:a|)g|mod(?:e|)l|pre|demo|non/i, 'staging'],
  [/pr(?:o|)d|live/i, 'production'],
]

/** The environment's tier by its name, for files that don't say `deployment_tier`. */
export function guessTier(environment: string): string {
  return tiers.find(([pattern]) => pattern.test(environment))?.[1] ?? 'other'
}
