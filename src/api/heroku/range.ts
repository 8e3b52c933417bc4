import type { FastifyReply } from 'fastify'
import { header } from '../http/credentials.ts'
import type { Request } from '../http/server.ts'

const defaultMax = 200
const ceiling = 1000

/**
 * Heroku's paging: `Range: version ]3..; order=desc,max=10` → a page, with `Content-Range`, and 206 with `Next-Range` when there is more
 * (`]` is an exclusive start).
 */
export function paged<T>(
  request: Request,
  reply: FastifyReply,
  items: readonly T[],
  fields: Record<string, (item: T) => string | number>,
): T[] {
  const names = Object.keys(fields)
  const match = /^\s*([\w-]+)\s*(\]?)([^.;\]]*)\.\.([^;]*)(?:;(.*))?$/.exec(
    header(request, 'range') ?? '',
  )
  const field = match !== null && names.includes(match[1]!) ? match[1]! : names[0]!
  const options = new Map(
    (match?.[5] ?? '').split(/[;,]/).map(one => one.trim().split('=', 2) as [string, string]),
  )
  const max = Math.min(ceiling, Math.max(1, Number(options.get('max')) || defaultMax))
  const isDescending = options.get('order') === 'desc'
  const keyOf = fields[field]!
  const sorted = [...items].sort((a, b) => compare(keyOf(a), keyOf(b)) * (isDescending ? -1 : 1))
  const from = match?.[3]?.trim() ?? ''
  const isExclusive = match?.[2] === ']'
  const start =
    from === ''
      ? 0
      : sorted.findIndex(item => {
          const order =
            compare(keyOf(item), typeof keyOf(item) === 'number' ? Number(from) : from) *
            (isDescending ? -1 : 1)
          return isExclusive ? order > 0 : order >= 0
        })
  const rest = start < 0 ? [] : sorted.slice(start)
  const page = rest.slice(0, max)
  reply.header('accept-ranges', names.join(', '))
  const suffix = `${isDescending ? '; order=desc' : ''}, max=${max}`
  if (page.length > 0)
    reply.header(
      'content-range',
      `${field} ${keyOf(page[0]!)}..${keyOf(page.at(-1)!)}${suffix.replace(/^, /, '; ')}`,
    )
  if (rest.length > page.length) {
    reply
      .code(206)
      .header(
        'next-range',
        `${field} ]${keyOf(page.at(-1)!)}..${isDescending ? '; order=desc,' : ';'} max=${max}`,
      )
  }
  return page
}

function compare(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0
}
