import { describe, expect, it } from 'vitest'
import { globMatcher } from './glob.ts'

describe('globs', () => {
  it.each<[string, string, boolean]>([
    ['*.md', 'a.md', true],
    ['*.md', 'dir/a.md', false],
    ['*', '.hidden', true],
    ['**/*.md', 'a.md', true],
    ['**/*.md', 'x/y/a.md', true],
    ['**/*', 'x/.hidden', true],
    ['dir/**/*', 'dir/a', true],
    ['dir/**/*', 'dir/a/b/c', true],
    ['dir/**/*', 'other/a', false],
    ['dir/*', 'dir/a/b', false],
    ['dir/**', 'dir/a', true],
    ['dir/**', 'dir/a/b', false],
    ['{a,b}/*.js', 'b/x.js', true],
    ['*.{js,ts}', 'x.ts', true],
    ['*.{js,{ts,tsx}}', 'x.tsx', true],
    ['[a-c]x', 'bx', true],
    ['[!a-c]x', 'bx', false],
    ['[^a]x', 'bx', true],
    ['a?c', 'abc', true],
    ['a?c', 'a/c', false],
    ['a\\*', 'a*', true],
    ['a\\*', 'ab', false],
    ['Dockerfile', 'Dockerfile', true],
    ['Dockerfile', 'x/Dockerfile', false],
    ['**/a/**/b', 'a/b', true],
    ['**/a/**/b', 'x/a/y/z/b', true],
  ])('%s on %s: %s', (glob, path, expected) => {
    expect(globMatcher(glob)(path)).toBe(expected)
  })

  it('answers fast on many stars', () => {
    const started = performance.now()
    expect(globMatcher(`${'**/'.repeat(50)}x`)(`${'a/'.repeat(200)}y`)).toBe(false)
    expect(globMatcher(`${'*a'.repeat(100)}b`)('a'.repeat(5_000))).toBe(false)
    expect(globMatcher('{a,b}'.repeat(40))('a'.repeat(40))).toBeTypeOf('boolean')
    expect(performance.now() - started).toBeLessThan(1_000)
  })
})
