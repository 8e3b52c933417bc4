/** Plain scalars as Ruby's Psych reads them (YAML 1.1 with its own corners: `lib/psych/scalar_scanner.rb`). */
import type { ScalarType } from './node.ts'

export interface ScannedScalar {
  type: ScalarType
  value: string | number | boolean | null
  text: string
}

/** A value of a class that GitLab's loader refuses, such as a date. */
export interface RefusedScalar {
  refused: 'Date' | 'Time'
}

const word = /^[^\d.:+-]/
const time =
  /^-?\d{4}-\d{1,2}-\d{1,2}(?:[Tt]|\s+)\d{1,2}:\d\d:\d\d(?:\.\d*)?(?:\s*(?:Z|[-+]\d{1,2}:?(?:\d\d)?)?)?\s*$/
const date = /^\d{4}-(?:1[012]|0\d|\d)-(?:[12]\d|3[01]|0\d|\d)$/
const sexagesimalInteger = /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9]){1,2}$/
const sexagesimalFloat = /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9]){1,2}\.[0-9_]*$/
const float = /^[-+]?(?:\d[\d_,]*)?\.\d*(?:[eE][-+]\d+)?$/
const integer =
  /^(?:[-+]?0b[01_,]+|[-+]?0[0-7_,]+|[-+]?(?:0|[1-9](?:[0-9]|,[0-9]|_[0-9])*)|[-+]?0x[\da-fA-F_,]+)$/

/** What an unquoted scalar means. */
export function scanPlain(source: string): ScannedScalar | RefusedScalar {
  if (source === '' || source === '~') return { type: 'null', value: null, text: '' }
  if (source.includes('\n')) return string(source)
  if (word.test(source)) return source.length > 5 ? string(source) : keyword(source)
  if (date.test(source) && isCalendarDate(source)) return { refused: 'Date' }
  if (time.test(source)) return { refused: 'Time' }
  if (/^\+?\.inf$/i.test(source)) return number(Infinity, 'float')
  if (/^-\.inf$/i.test(source)) return number(-Infinity, 'float')
  if (/^\.nan$/i.test(source)) return number(NaN, 'float')
  if (/^:./.test(source)) return symbol(source)
  if (sexagesimalInteger.test(source)) return number(sexagesimal(source), 'integer')
  if (sexagesimalFloat.test(source)) return number(sexagesimal(source), 'float')
  if (float.test(source) && /\d/.test(source)) {
    return number(Number(source.replace(/[,_]/g, '')), 'float')
  }
  if (integer.test(source)) return wholeNumber(source.replace(/[,_]/g, ''))
  return string(source)
}

function string(source: string): ScannedScalar {
  return { type: 'string', value: source, text: source }
}

function keyword(source: string): ScannedScalar {
  const lower = source.toLowerCase()
  if (lower === 'null') return { type: 'null', value: null, text: '' }
  if (lower === 'true' || lower === 'yes' || lower === 'on') {
    return { type: 'boolean', value: true, text: 'true' }
  }
  if (lower === 'false' || lower === 'no' || lower === 'off') {
    return { type: 'boolean', value: false, text: 'false' }
  }
  return string(source)
}

function symbol(source: string): ScannedScalar {
  const quoted = /^:["'](.*)["']$/s.exec(source)
  const name = quoted ? quoted[1]! : source.slice(1)
  return { type: 'symbol', value: name, text: name }
}

/** Psych weighs the first part 3600, the second 60, the third 1, however many there are: `1:30` is 5400. */
function sexagesimal(source: string): number {
  return source
    .replace(/_/g, '')
    .split(':')
    .reduce((sum, part, at) => sum + Number(part) * 60 ** Math.abs(at - 2), 0)
}

function wholeNumber(source: string): ScannedScalar {
  const negative = source.startsWith('-')
  const digits = source.replace(/^[-+]/, '')
  const prefixed = /^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits
  if (/^0o$|^0[bx]$/.test(prefixed)) return string(source)
  const exact = negative ? -BigInt(prefixed) : BigInt(prefixed)
  return { type: 'integer', value: Number(exact), text: String(exact) }
}

function number(value: number, type: 'integer' | 'float'): ScannedScalar {
  return { type, value, text: type === 'float' ? floatText(value) : String(value) }
}

/** `Float#to_s` of Ruby. */
function floatText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity'
  const size = Math.abs(value)
  if (size !== 0 && (size >= 1e16 || size < 1e-4)) {
    const [mantissa, exponent] = value.toExponential().split('e') as [string, string]
    const power = Number(exponent)
    const sign = power < 0 ? '-' : '+'
    const whole = mantissa.includes('.') ? mantissa : `${mantissa}.0`
    return `${whole}e${sign}${String(Math.abs(power)).padStart(2, '0')}`
  }
  const text = String(value)
  return text.includes('.') ? text : `${text}.0`
}

function isCalendarDate(source: string): boolean {
  const [year, month, day] = source.split('-').map(Number) as [number, number, number]
  if (month < 1 || day < 1) return false
  return day <= new Date(Date.UTC(year, month, 0)).getUTCDate()
}
