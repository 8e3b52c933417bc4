import { Failure } from '../lib/index.ts'

const mebibyte = 1 << 20

/** Heroku's dyno sizes and the memory that each may use. */
const memoryOf: Readonly<Record<string, number>> = {
  Eco: 512 * mebibyte,
  Basic: 512 * mebibyte,
  'Standard-1X': 512 * mebibyte,
  'Standard-2X': 1024 * mebibyte,
  'Performance-M': 2560 * mebibyte,
  'Performance-L': 14_336 * mebibyte,
}

export const defaultSize = 'Basic'

/** The canonical spelling. Throws `Failure('invalid')` for a size that doesn't exist. */
export function canonicalSize(text: string): string {
  const found = Object.keys(memoryOf).find(one => one.toLowerCase() === text.toLowerCase())
  if (found === undefined)
    throw new Failure('invalid', `No such dyno size: ${text}.`, {
      hint: `Use one of ${Object.keys(memoryOf).join(', ')}.`,
      details: { size: ['is unknown'] },
    })
  return found
}

export function memoryBytes(size: string): number {
  return memoryOf[size] ?? memoryOf[defaultSize]!
}
