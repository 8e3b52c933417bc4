import { describe, expect, it } from 'vitest'
import { parseDuration } from './duration.ts'

describe('parseDuration', () => {
  it.each<[string, number | undefined]>([
    ['90', 90],
    ['1h 30m', 5400],
    ['2h20min', 8400],
    ['2 weeks and 3 days', 1_468_800],
    ['1 week, 1 day', 691_200],
    ['1:30:00', 5400],
    ['10:30', 630],
    ['1.5 hours', 5400],
    ['1 month', 2_592_000],
    ['1 yr', 31_557_600],
    ['3 mins 4 sec', 184],
    ['0', undefined],
    ['', undefined],
    ['ten donkeys', undefined],
    ['1 constructor', undefined],
    ['10 20', undefined],
  ])('%s', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds)
  })
})
