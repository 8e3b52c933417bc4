import { describe, expect, test } from 'vitest'
import { expandVariables } from './expand-variables.ts'
import { environmentSlug, guessTier, slugOf } from './slug.ts'

function expanded(values: Record<string, string>, raw: string[] = []): Record<string, string> {
  const variables = Object.entries(values).map(([key, value]) => ({
    key,
    value,
    public: true,
    masked: false,
    raw: raw.includes(key),
  }))
  return Object.fromEntries(expandVariables(variables).map(({ key, value }) => [key, value]))
}

describe('variables in variables', () => {
  test.each([
    [
      { A: '$B', B: '$C', C: 'c' },
      { A: 'c', B: 'c' },
    ],
    [{ A: `\${B}-%B%-$B`, B: 'b' }, { A: 'b-b-b' }],
    [{ A: '$$B $NOBODY %%B', B: 'b' }, { A: '$$B $NOBODY %%B' }],
    [{ PATH: '$PATH:/x' }, { PATH: '$PATH:/x' }],
    [
      { A: '$B', B: '$A' },
      { A: '$A', B: '$A' },
    ],
    [{ A: '', B: 'x$A' }, { B: 'x' }],
  ])('%j', (values, result) => {
    expect(expanded(values)).toMatchObject(result)
  })

  test('leave raw ones alone, on both sides', () => {
    expect(expanded({ A: '$B', B: '$C', C: 'c' }, ['B'])).toMatchObject({ A: '$B', B: '$C' })
  })

  test('that double at each step stay bounded, and quick', () => {
    const values: Record<string, string> = { V60: 'x' }
    for (let step = 0; step < 60; step++) values[`V${step}`] = `$V${step + 1}`.repeat(2)
    const longest = Math.max(...Object.values(expanded(values)).map(value => value.length))
    expect(longest).toBeLessThan(600_000)
  })

  test('in a chain of any length end', () => {
    const values: Record<string, string> = { V5000: 'x' }
    for (let step = 0; step < 5000; step++) values[`V${step}`] = `$V${step + 1}`
    expect(expanded(values)['V0']).toBe('x')
  })
})

test('slugs are those of GitLab', () => {
  expect(slugOf('Feature/Ünder_score-')).toBe('feature--nder-score')
  expect(slugOf(`${'a'.repeat(62)}--b`)).toBe('a'.repeat(62))
  expect(environmentSlug('Stage Domain')).toBe('stage-domain-ip33nk')
  expect(environmentSlug('stage-domain-foobar-long-string')).toBe('stage-domain-foob-yafktx')
  expect(environmentSlug('production')).toBe('production')
  expect(environmentSlug('1.0')).toMatch(/^env-1-0-[0-9a-z]{6}$/)
  expect(['production', 'staging', 'qa', 'review/x', 'blue'].map(guessTier)).toEqual([
    'production',
    'staging',
    'testing',
    'development',
    'other',
  ])
})
