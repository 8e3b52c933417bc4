import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMasker } from './index.ts'

function mask(secrets: readonly string[], ...pieces: readonly (string | Uint8Array)[]): string {
  const masker = createMasker(secrets)
  const out = pieces.map(piece => masker.push(Buffer.from(piece)))
  return Buffer.concat([...out, masker.flush()]).toString()
}

describe('createMasker', () => {
  it('masks secrets wherever they stand', () => {
    const cases: [string[], string, string][] = [
      [['secret'], 'a secret b', 'a [MASKED] b'],
      [['secret'], 'secretsecret', '[MASKED][MASKED]'],
      [['secret'], 'secre', 'secre'],
      [['abcd', 'abcdef'], 'abcdef abcde abcd', '[MASKED] [MASKED]e [MASKED]'],
      [['abcdefgh', 'bcde', 'fghi'], 'abcdefg abcdefgh fghi', 'a[MASKED]fg [MASKED] [MASKED]'],
      [['aaab'], 'aaaab', 'a[MASKED]'],
      [['abcde', 'defgh'], 'abcdefgh.', '[MASKED].'],
      [['aXXa'], 'aXXaXXa', '[MASKED]'],
      [['  padded\n'], '[padded]', '[[MASKED]]'],
      [['', '   ', 'abc'], 'abc   ', 'abc   '],
      [['häßlich'], 'sehr häßlich!', 'sehr [MASKED]!'],
      [['line one\nline two'], 'line one\nline two', '[MASKED]'],
      [['line one\nline two'], 'line one\r\nline two', '[MASKED]'],
      [['line one\r\nline two'], 'line one\nline two', '[MASKED]'],
      [[], 'nothing to hide', 'nothing to hide'],
    ]
    for (const [secrets, text, masked] of cases) expect(mask(secrets, text)).toBe(masked)
  })

  it('masks across borders, and writes what cannot be a secret at once', () => {
    const masker = createMasker(['secret', 'secretary'])
    const push = (text: string) => Buffer.from(masker.push(Buffer.from(text))).toString()
    expect(push('a line\nsec')).toBe('a line\n')
    expect(push('ond')).toBe('second')
    expect(push(' sec')).toBe(' ')
    expect(push('ret')).toBe('[MASKED]')
    expect(push('ar')).toBe('')
    expect(push('y.')).toBe('.')
    expect(push(' secr')).toBe(' ')
    expect(Buffer.from(masker.flush()).toString()).toBe('secr')
    expect(push('et')).toBe('et')
  })

  it('does not keep the bytes of the caller', () => {
    const masker = createMasker(['secret'])
    const piece = Buffer.from('sec')
    masker.push(piece)
    piece.fill('x')
    expect(Buffer.from(masker.push(Buffer.from('ond'))).toString()).toBe('second')
  })

  it('masks credentials in URLs and what follows the prefix of a token', () => {
    const cases: [string, string][] = [
      ['GET /x?private_token=abc&y=1', 'GET /x?private_token=[MASKED]&y=1'],
      ['/x?a=1&X-Amz-Signature=00ff HTTP', '/x?a=1&X-Amz-Signature=[MASKED] HTTP'],
      ['/x?rss_token=a&rss_token=b', '/x?rss_token=[MASKED]&rss_token=[MASKED]'],
      ['/x?rss_token=&b', '/x?rss_token=&b'],
      ['/x?my_private_token=abc', '/x?my_private_token=abc'],
      ['token glpat-AbC_1.2=3-4!', 'token glpat-[MASKED]!'],
      ['glcbt-64_x glpat- glrt-é', 'glcbt-[MASKED] glpat- glrt-é'],
    ]
    for (const [text, masked] of cases) expect(mask([], text)).toBe(masked)
    const own = createMasker([], ['HRKU-', ''])
    expect(Buffer.from(own.push(Buffer.from('HRKU-abc glrt-x'))).toString()).toBe(
      'HRKU-[MASKED] glrt-[MASKED]',
    )
    expect(mask(['token-value'], '?private_token=token-value&x')).toBe('?private_token=[MASKED]&x')
  })

  it('gives the same however the stream was cut', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '\n', '?', '&'), maxLength: 80 })
    const words = fc.array(
      fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 4, maxLength: 9 }),
      { maxLength: 5 },
    )
    const pieces = fc.array(
      fc.oneof(letters, fc.constantFrom('glpat-', '?private_token=', '&Rss_Token=', 'glrt-aab ')),
      { maxLength: 8 },
    )
    const cuts = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 80 })
    fc.assert(
      fc.property(words, pieces, cuts, (secrets, parts, sizes) => {
        const text = parts.join('')
        const cut: string[] = []
        let at = 0
        for (const size of sizes) {
          cut.push(text.slice(at, at + size))
          at += size
        }
        expect(mask(secrets, ...cut, text.slice(at))).toBe(mask(secrets, text))
      }),
      { numRuns: 300 },
    )
  })

  it('masks exactly what the secrets cover', () => {
    const secret = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 4, maxLength: 7 })
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 120 })
    fc.assert(
      fc.property(fc.array(secret, { maxLength: 6 }), text, (secrets, given) => {
        expect(mask(secrets, given)).toBe(plainMask(secrets, given))
      }),
      { numRuns: 500 },
    )
  })

  it('is quick on many long secrets and on input made to be slow', () => {
    const secrets = Array.from({ length: 200 }, (_, n) => `${'a'.repeat(500)}${n}`)
    const masker = createMasker(secrets)
    const startedAt = performance.now()
    let size = 0
    for (let n = 0; n < 64; n++) size += masker.push(Buffer.alloc(16_384, 'a')).length
    size += masker.flush().length
    expect(size).toBe(64 * 16_384)
    expect(performance.now() - startedAt).toBeLessThan(5000)
  })
})

/** The slow, plain way: find every occurrence, join those that overlap. */
function plainMask(secrets: readonly string[], text: string): string {
  const regions: [number, number][] = []
  for (const secret of secrets)
    for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + 1))
      regions.push([at, at + secret.length])
  regions.sort((a, b) => a[0] - b[0] || b[1] - a[1])
  let out = ''
  let done = 0
  let end = 0
  for (const [start, stop] of regions) {
    if (start >= end) {
      out += `${text.slice(done, start)}[MASKED]`
    }
    end = Math.max(end, stop)
    done = end
  }
  return out + text.slice(done)
}
