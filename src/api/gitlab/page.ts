/** GitLab's offset pagination: `page` and `per_page` in, `X-…` and `Link` headers out. */
import { Type } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import type { Request } from '../http/server.ts'

const maxPerPage = 100

export const pageQuery = {
  page: Type.Optional(Type.Integer({ default: 1, description: 'From 1.' })),
  per_page: Type.Optional(Type.Integer({ default: 20, description: 'At most 100.' })),
}

export interface Page {
  page: number
  perPage: number
}

export function pageOf(query: { page?: number; per_page?: number }): Page {
  const page = Math.max(query.page ?? 1, 1)
  return { page, perPage: Math.min(Math.max(query.per_page ?? 20, 1), maxPerPage) }
}

/** Cuts the page out of the whole list and sets the headers. */
export function paginate<T>(
  request: Request,
  reply: FastifyReply,
  external: string,
  items: readonly T[],
): T[] {
  const { page, perPage } = pageOf(request.query as { page?: number; per_page?: number })
  setPageHeaders(request, reply, external, items.length)
  return items.slice((page - 1) * perPage, page * perPage)
}

/** For lists that come in pages already; without a total only the next page is told. */
export function setPageHeaders(
  request: Request,
  reply: FastifyReply,
  external: string,
  total: number | { hasNext: boolean },
): void {
  const { page, perPage } = pageOf(request.query as { page?: number; per_page?: number })
  const pages = typeof total === 'number' ? Math.max(Math.ceil(total / perPage), 1) : undefined
  const hasNext = typeof total === 'number' ? page < (pages ?? 1) : total.hasNext
  const previous = page > 1 ? page - 1 : undefined
  const next = hasNext ? page + 1 : undefined
  reply.header('x-page', page)
  reply.header('x-per-page', perPage)
  reply.header('x-next-page', next ?? '')
  reply.header('x-prev-page', previous ?? '')
  if (pages !== undefined) reply.header('x-total', total as number).header('x-total-pages', pages)
  const link = (number: number | undefined, rel: string) =>
    number === undefined ? [] : [`<${external}${withPage(request, number, perPage)}>; rel="${rel}"`]
  const links = [link(previous, 'prev'), link(next, 'next'), link(1, 'first'), link(pages, 'last')]
  reply.header('link', links.flat().join(', '))
}

function withPage(request: Request, page: number, perPage: number): string {
  const [path, query = ''] = request.url.split('?', 2)
  const parameters = new URLSearchParams(query)
  parameters.set('page', String(page))
  parameters.set('per_page', String(perPage))
  return `${path}?${parameters}`
}
