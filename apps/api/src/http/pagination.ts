import * as z from 'zod'
import { wholeNumber } from './parameters.js'

/** Keeps the offset an exact number that fits PostgreSQL's bigint. */
const MAX_PAGE = 1_000_000_000

/** The query parameters of a page; `size` is another name of `limit`. */
export function pageParameters(limits: { standard: number; maximum: number }) {
  const limit = wholeNumber(1, limits.maximum).optional()
  return {
    limit: limit.meta({ description: 'Entries a page.', default: limits.standard, examples: [10] }),
    size: limit.meta({ description: 'Another name of limit; not both.', examples: [10] }),
    page: wholeNumber(1, MAX_PAGE)
      .optional()
      .meta({
        description: `From 1 to ${MAX_PAGE}; past the end: empty data.`,
        default: 1,
        examples: [2],
      }),
  }
}

export interface PageQuery {
  limit?: number | undefined
  size?: number | undefined
  page?: number | undefined
}

/** A refinement of a query: whether at most one of limit and size is given. */
export function hasOneLimit(query: PageQuery): boolean {
  return query.limit === undefined || query.size === undefined
}

export const TWO_LIMITS = { path: ['size'], error: 'size is another name of limit: give one of them.' }

/** Whether the query asks for a page rather than for everything. */
export function isPage({ limit, size, page, cursor }: PageQuery & { cursor?: string | undefined }): boolean {
  return [limit, size, page, cursor].some((given) => given !== undefined)
}

export interface Page {
  page: number
  limit: number
  offset: number
}

export function pageOf(query: PageQuery, standardLimit: number): Page {
  const { page = 1, limit = query.size ?? standardLimit } = query
  return { page, limit, offset: (page - 1) * limit }
}

export const paginationSchema = z.object({
  count: z.int().meta({ description: 'Entries on all pages.' }),
  count_is_estimate: z
    .literal(true)
    .optional()
    .meta({ description: 'Of lists with more than 10,000 entries, which are not counted one by one.' }),
  page: z.int(),
  limit: z.int(),
  pages: z.int().meta({ description: '0 when there are no entries.' }),
})

export function pagination(page: Page, count: number, isEstimate = false): z.infer<typeof paginationSchema> {
  const { limit } = page
  return {
    count,
    ...(isEstimate ? { count_is_estimate: true as const } : {}),
    page: page.page,
    limit,
    pages: Math.ceil(count / limit),
  }
}

export const CURSOR_MESSAGE =
  'A cursor is taken as it is from an answer to the same request: from its header Link or its next_cursor.'
const MAX_CURSOR_LENGTH = 200

/** The query parameter that takes the place of `page`. */
export const cursorSchema = z
  .string({ error: CURSOR_MESSAGE })
  .max(MAX_CURSOR_LENGTH, CURSOR_MESSAGE)
  .regex(/^[A-Za-z0-9_-]+$/, CURSOR_MESSAGE)

const cursorPaginationSchema = z.object({
  limit: z.int(),
  next_cursor: z.string().nullable().meta({ description: 'With cursor only; null at the end.' }),
})

/** One schema rather than a choice of two, which clients that are generated from the document could not tell apart. */
export const listPaginationSchema = z
  .object({
    ...paginationSchema.partial().shape,
    ...cursorPaginationSchema.partial({ next_cursor: true }).shape,
  })
  .meta({
    id: 'Pagination',
    description: 'With cursor nothing is counted: then count, page and pages are left out.',
  })
export type ListPagination = z.infer<typeof paginationSchema> | z.infer<typeof cursorPaginationSchema>

export const PAGE_OR_CURSOR = { path: ['cursor'], error: 'Give either cursor or page.' }

/** A refinement of a query: whether at most one of cursor and page is given. */
export function hasOnePlace({ cursor, page }: PageQuery & { cursor?: string | undefined }): boolean {
  return cursor === undefined || page === undefined
}

/** The query parameters of a list: a page by its number, within the first 10,000 entries, or by a cursor. */
export function listParameters(options: { standard: number; maximum: number; exampleCursor: string }) {
  return {
    ...pageParameters(options),
    cursor: cursorSchema.optional().meta({
      description:
        'Instead of page, which reaches the first 10,000 entries: goes on after the last entry of the answer that it is taken from, at the same cost everywhere. Belongs to that request; limit may change.',
      examples: [options.exampleCursor],
    }),
  }
}
