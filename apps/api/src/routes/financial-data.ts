import { listFinancialData, listFinancialDataAfter } from '@stockpile/db/financial-data'
import type { Position } from '@stockpile/db/financial-data-query'
import { decodeCursor, encodeCursor } from '../cursor.js'
import type { Dependencies } from '../dependencies.js'
import { ProblemError } from '../problem.js'
import { INFO, problems } from '../schemas/answer.js'
import {
  answerSchema,
  EXAMPLE_CURSOR,
  querySchema,
  rowAnswer,
  rowsAskedFor,
  STANDARD_LIMIT,
} from '../schemas/financial-data.js'
import { CURSOR_MESSAGE, pageOf, pagination } from '../schemas/pagination.js'
import type { App } from '../server.js'

const LINK = {
  description: 'RFC 8288: `<URL>; rel="next"`, where more rows follow. The URL has a cursor.',
  schema: { type: 'string' },
  example: `</api/financial_data?symbol=IBM&limit=3&cursor=${EXAMPLE_CURSOR}>; rel="next"`,
} as const

export function financialDataRoutes(app: App, { db }: Dependencies): void {
  for (const path of ['/api/financial_data', '/financial_data']) {
    app.get(
      path,
      {
        schema: {
          hide: !path.startsWith('/api/'),
          tags: ['data'],
          operationId: 'listFinancialData',
          summary: 'Daily bars',
          description:
            'Prices are strings exactly as the provider wrote them, raw, not adjusted for splits. An unknown symbol is an empty page. Answers at /financial_data too.',
          querystring: querySchema,
          response: { 200: answerSchema, ...problems(400, 503) },
          'x-response-headers': { 200: { Link: LINK } },
        },
        // To look at each of 7,000 values again took a fifth of the request. Types, and the fuzz, hold them to the schema.
        serializerCompiler: () => JSON.stringify,
      },
      async ({ query, url }, reply) => {
        const asked = rowsAskedFor(query)
        const page = pageOf(query, STANDARD_LIMIT)
        const cursorAfter = (row: Position | undefined) => {
          if (row === undefined) return null
          const cursor = encodeCursor(row, asked)
          reply.header('link', `<${path}?${withCursor(url, cursor)}>; rel="next"`)
          return cursor
        }
        if (query.cursor === undefined) {
          const { rows, count } = await listFinancialData(db, asked, page)
          if (page.offset + rows.length < count) cursorAfter(rows.at(-1))
          const data = rows.map((row) => rowAnswer(row, query.fields))
          return { data, pagination: pagination(page, count), info: INFO }
        }
        const after = decodeCursor(query.cursor, asked)
        if (after === null) throw foreignCursor()
        const { rows, isLast } = await listFinancialDataAfter(db, asked, after, page.limit)
        const data = rows.map((row) => rowAnswer(row, query.fields))
        const nextCursor = isLast ? null : cursorAfter(rows.at(-1))
        return { data, pagination: { limit: page.limit, next_cursor: nextCursor }, info: INFO }
      },
    )
  }
}

/** The query of the same request, as it was written, for the rows after. */
function withCursor(url: string, cursor: string): string {
  const parameters = new URLSearchParams(url.split('?', 2)[1])
  parameters.delete('page')
  parameters.set('cursor', cursor)
  return parameters.toString()
}

function foreignCursor(): ProblemError {
  return new ProblemError(400, `/query/cursor: ${CURSOR_MESSAGE}`, {
    errors: [{ pointer: '/query/cursor', code: 'custom', detail: CURSOR_MESSAGE }],
  })
}
