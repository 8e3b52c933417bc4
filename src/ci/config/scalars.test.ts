import { describe, expect, it } from 'vitest'
import { scanPlain } from './scalars.ts'

describe('plain scalars', () => {
  it.each<[string, unknown, string]>([
    ['yes', true, 'true'],
    ['On', true, 'true'],
    ['OFF', false, 'false'],
    ['y', 'y', 'y'],
    ['n', 'n', 'n'],
    ['~', null, ''],
    ['Null', null, ''],
    ['', null, ''],
    ['0755', 493, '493'],
    ['0x1F', 31, '31'],
    ['0b101', 5, '5'],
    ['1_000', 1000, '1000'],
    ['-12', -12, '-12'],
    ['08', '08', '08'],
    ['1.10', 1.1, '1.1'],
    ['1.0', 1, '1.0'],
    ['1e3', '1e3', '1e3'],
    ['1.5e+3', 1500, '1500.0'],
    ['.5', 0.5, '0.5'],
    ['1.2.3', '1.2.3', '1.2.3'],
    ['12:30:45', 45_045, '45045'],
    [':sym', 'sym', 'sym'],
    ['v1', 'v1', 'v1'],
    ['123456789012345678901', 123456789012345680000, '123456789012345678901'],
    ['2024-13-31', '2024-13-31', '2024-13-31'],
    ['yesterday', 'yesterday', 'yesterday'],
    ['-', '-', '-'],
  ])('%s', (source, value, text) => {
    expect(scanPlain(source)).toMatchObject({ value, text })
  })

  // Psych weighs the first part 3600 whatever the number of parts (lib/psych/scalar_scanner.rb): GitLab reads 1:30 as 5400.
  it('1:30 as Psych does', () => {
    expect(scanPlain('1:30')).toMatchObject({ type: 'integer', value: 5400 })
  })

  it('refuses dates and times', () => {
    expect(scanPlain('2024-01-31')).toEqual({ refused: 'Date' })
    expect(scanPlain('2024-01-31 10:00:00')).toEqual({ refused: 'Time' })
  })
})
