import type { Counted, ListPart } from '@stockpile/db/list-part'
import { MAX_COUNTED } from '@stockpile/db/list-part'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ListCursor } from './list-cursor.js'
import { ProblemError } from './problem.js'
import { CURSOR_MESSAGE, pageOf, pagination } from './pagination.js'
import type { ListPagination, Page, PageQuery } from './pagination.js'

interface ListQuery extends PageQuery {
  cursor?: string | undefined
}

interface List<Place, Entry extends Place> {
  standardLimit: number
  cursors: ListCursor<Place>
  read(part: ListPart<Place>): Promise<{ entries: Entry[] } & Counted>
  placeOf(entry: Entry): Place
}

/**
 * Reads a page of a list, by number or by cursor, at a bounded cost: numbers reach the first `MAX_COUNTED` entries, cursors
 * all. Sets the header Link of the reply where more entries follow.
 * @throws ProblemError 400 for a cursor of another request, and for a page beyond where pages reach
 */
export async function readList<Place, Entry extends Place>(
  { query, url }: Pick<FastifyRequest, 'url'> & { query: ListQuery },
  reply: FastifyReply,
  list: List<Place, Entry>,
): Promise<{ entries: Entry[]; pagination: ListPagination }> {
  // A cursor belongs to a request apart from its page. The path is part of the request, since it may name a run or a symbol.
  const { cursor, page: _page, limit: _limit, size: _size, ...parameters } = query
  const filter = [url.split('?', 1)[0], parameters]
  const page = pageOf(query, list.standardLimit)
  const cursorOf = (entry: Entry | undefined) =>
    entry === undefined ? null : list.cursors.encode(list.placeOf(entry), filter)
  const link = (next: string | null) => {
    if (next !== null) reply.header('link', nextLink(url, next))
  }
  if (cursor !== undefined) {
    const after = list.cursors.decode(cursor, filter)
    if (after === null) throw queryProblem('cursor', CURSOR_MESSAGE)
    // One entry more than asked for tells whether more follow.
    const { entries: found } = await list.read({ after, limit: page.limit + 1 })
    const entries = found.slice(0, page.limit)
    const next = found.length > page.limit ? cursorOf(entries.at(-1)) : null
    link(next)
    return { entries, pagination: { limit: page.limit, next_cursor: next } }
  }
  const isBeyond = page.offset >= MAX_COUNTED
  const { entries: found, ...counted } = await list.read({
    // A page beyond MAX_COUNTED entries is empty or refused; the count decides which.
    limit: isBeyond ? 0 : page.limit + 1,
    offset: isBeyond ? 0 : page.offset,
  })
  if (isBeyond && counted.isEstimate) throw queryProblem('page', TOO_FAR)
  const entries = found.slice(0, page.limit)
  link(found.length > page.limit ? cursorOf(entries.at(-1)) : null)
  const count = isBeyond ? (counted.count ?? 0) : countBeside(found.length, page, counted.count ?? 0)
  return { entries, pagination: pagination(page, count, counted.isEstimate) }
}

/**
 * Corrects a count, which an earlier statement took, by the entries that the page found, up to one more than its limit.
 * Entries may have come and gone in between; a client that walks until the count would else miss entries at the end.
 */
function countBeside(found: number, { offset, limit }: Page, counted: number): number {
  if (found > limit) return Math.max(counted, offset + found)
  return found > 0 ? offset + found : Math.min(counted, offset)
}

/** OpenAPI's description of the header Link of a page. */
export const LINK_HEADERS = {
  Link: {
    description: 'RFC 8288: `<URL>; rel="next"`, where more entries follow. The URL has a cursor.',
    schema: { type: 'string' },
    example: '</api/failures?cursor=W3siYXQiOjE3NzkwOTU1NjY3MDIwMDAsImlkIjoxfSw0XQ>; rel="next"',
  },
} as const

const TOO_FAR = `Pages reach the first ${MAX_COUNTED} entries: go on with the cursor in the header Link of a page before, or ask for less.`

/** The header Link for the entries after a cursor: the URL of the request as it was written, but for page and cursor. */
export function nextLink(url: string, cursor: string): string {
  const [path, query] = url.split('?', 2)
  const parameters = new URLSearchParams(query)
  parameters.delete('page')
  parameters.set('cursor', cursor)
  return `<${path}?${parameters.toString()}>; rel="next"`
}

export function queryProblem(parameter: string, detail: string): ProblemError {
  return new ProblemError(400, `/query/${parameter}: ${detail}`, {
    errors: [{ pointer: `/query/${parameter}`, code: 'custom', detail }],
  })
}
