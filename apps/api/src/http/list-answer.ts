import type { Counted, ListPart } from '@stockpile/db/list-part'
import { COUNTED } from '@stockpile/db/list-part'
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
 * A page of a list, by number or behind a cursor, at a bounded cost: pages reach the first `COUNTED` entries, cursors all.
 * The reply is given the header Link where more follow.
 * @throws ProblemError 400 for a cursor of another request, and for a page beyond where pages reach
 */
export async function readList<Place, Entry extends Place>(
  { query, url }: Pick<FastifyRequest, 'url'> & { query: ListQuery },
  reply: FastifyReply,
  list: List<Place, Entry>,
): Promise<{ entries: Entry[]; pagination: ListPagination }> {
  // Whatever its page. The path has a run or a symbol in it; JSON leaves out what is undefined.
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
    // One more than asked for tells whether there are more.
    const { entries: found } = await list.read({ after, limit: page.limit + 1 })
    const entries = found.slice(0, page.limit)
    const next = found.length > page.limit ? cursorOf(entries.at(-1)) : null
    link(next)
    return { entries, pagination: { limit: page.limit, next_cursor: next } }
  }
  const isBeyond = page.offset >= COUNTED
  const { entries: found, ...counted } = await list.read({
    // Past the end, or refused, whatever is there: only the count is of use.
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
 * The count that goes with what was found at a page, of up to one entry more than its limit. It was counted a statement
 * earlier: entries may have come and gone since, and a walk that ended by it would miss those behind them.
 */
function countBeside(found: number, { offset, limit }: Page, counted: number): number {
  if (found > limit) return Math.max(counted, offset + found)
  return found > 0 ? offset + found : Math.min(counted, offset)
}

const TOO_FAR = `Pages reach the first ${COUNTED} entries: go on with the cursor in the header Link of a page before, or ask for less.`

/** The same request, as it was written, for what follows. */
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
