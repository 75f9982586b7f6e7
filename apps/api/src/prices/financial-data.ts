import { BAR_COLUMNS } from '@stockpile/domain/bar'
import type { StoredBar } from '@stockpile/domain/bar'
import { listFinancialData, listFinancialDataAfter } from '@stockpile/db/financial-data'
import type { FinancialDataQuery, Position } from '@stockpile/db/financial-data-query'
import { readUnknown, readVersion } from '@stockpile/db/version'
import { infoOfRange } from '../http/asked-symbols.js'
import { decodeCursor, encodeCursor } from './cursor.js'
import type { Dependencies } from '../dependencies.js'
import type { Exports } from './exports.js'
import type { SyntheticData } from './synthetic-data.js'
import { negotiateFormat } from '../http/negotiation.js'
import type { Format } from '../http/negotiation.js'
import { isHeavy } from '../http/heavy-statements.js'
import { nextLink, queryProblem } from '../http/list-answer.js'
import { cacheHeaders, isUnchanged } from '../http/revalidation.js'
import { CACHE_HEADERS, problems, revalidationHeaders, unchangedSchema } from '../http/envelope.js'
import {
  answerSchema,
  EXAMPLE_CURSOR,
  querySchema,
  rowAnswer,
  rowsAskedFor,
  STANDARD_LIMIT,
} from './financial-data-schema.js'
import type { Query } from './financial-data-schema.js'
import { CURSOR_MESSAGE, isPage, pageOf, pagination } from '../http/pagination.js'
import type { ListPagination } from '../http/pagination.js'
import type { App } from '../types.js'
import { csvAnswer, ndjsonAnswer, sendExport, sendText, TEXT_HEADERS } from './text-answer.js'

const LINK = {
  description: 'RFC 8288: `<URL>; rel="next"`, where more rows follow. The URL has a cursor.',
  schema: { type: 'string' },
  example: `</api/financial_data?symbol=IBM&limit=3&cursor=${EXAMPLE_CURSOR}>; rel="next"`,
} as const

const UNKNOWN = {
  description: 'Of CSV and NDJSON: the symbols asked for that have no stored row, separated by commas.',
  schema: { type: 'string' },
  example: 'NOSUCH',
} as const

const SYNTHETIC = {
  description: 'Of CSV and NDJSON: there, and true, when prices that a simulator made up were stored here.',
  schema: { type: 'string', const: 'true' },
  example: 'true',
} as const

const PRICES =
  'Prices are strings exactly as the provider wrote them, raw, not adjusted for splits. An unknown symbol is an empty page, and is named (info.unknown_symbols, X-Unknown-Symbols); of a known one without rows in the range info.stored says what is stored.'
const PARTS =
  'The whole result is streamed unless limit, size, page or cursor is given: read in parts, so that rows which change meanwhile may be of different moments; a connection that ends early says that the rest is missing.'

interface Address {
  path: string
  /** Further paths at which the operation answers. */
  aliases: readonly string[]
  operationId: string
  summary: string
  description: string
  /** undefined: the request chooses it. */
  format: Format | undefined
  success: typeof answerSchema | typeof csvAnswer
}

/** The formats have addresses of their own in the document: a client made from it then knows what an answer is. */
const ADDRESSES: readonly Address[] = [
  {
    path: '/api/financial_data',
    operationId: 'listFinancialData',
    summary: 'Daily bars',
    description: `${PRICES} As CSV or NDJSON by format=csv, format=ndjson or Accept, which answer as the addresses with .csv and .ndjson do. Answers at /financial_data too.`,
    aliases: ['/financial_data'],
    format: undefined,
    success: answerSchema,
  },
  {
    path: '/api/financial_data.csv',
    operationId: 'exportFinancialDataAsCsv',
    summary: 'Daily bars as CSV',
    description: `${PRICES} ${PARTS}`,
    aliases: [],
    format: 'csv',
    success: csvAnswer,
  },
  {
    path: '/api/financial_data.ndjson',
    operationId: 'exportFinancialDataAsNdjson',
    summary: 'Daily bars as NDJSON',
    description: `${PRICES} ${PARTS}`,
    aliases: [],
    format: 'ndjson',
    success: ndjsonAnswer,
  },
]

export function financialDataRoutes(
  app: App,
  { db, dataDb, heavy }: Dependencies,
  exports: Exports,
  isSynthetic: SyntheticData,
): void {
  const routes = ADDRESSES.flatMap((address) => [
    { ...address, at: address.path },
    ...address.aliases.map((alias) => ({ ...address, at: alias })),
  ])
  for (const { at, path, aliases, format: fixed, success, ...described } of routes) {
    app.get(
      at,
      {
        schema: {
          hide: at !== path,
          tags: ['data'],
          ...described,
          ...(aliases.length === 0 ? {} : { 'x-aliases': aliases }),
          headers: revalidationHeaders,
          querystring: querySchema,
          response: {
            200: success,
            304: unchangedSchema,
            ...problems(400, 406, 429, 503),
          },
          'x-filled-in': ['symbol', 'order'],
          'x-left-out': ['format'],
          'x-response-headers': {
            200: { ...TEXT_HEADERS, Link: LINK, 'X-Unknown-Symbols': UNKNOWN, 'X-Synthetic-Data': SYNTHETIC },
            304: CACHE_HEADERS,
          },
        },
        // To look at each of 7,000 values again took a fifth of the request. Types, and the fuzz, hold them to the schema.
        serializerCompiler: () => JSON.stringify,
      },
      async (request, reply) => {
        const { query, url } = request
        const asked = rowsAskedFor(query)
        if (fixed !== undefined && query.format !== undefined)
          throw queryProblem('format', 'The address says the format.')
        const format = fixed ?? query.format ?? negotiateFormat(request.headers.accept)
        const columns = BAR_COLUMNS.filter((column) => query.fields?.includes(column) ?? true)
        const revalidation = {
          operation: 'listFinancialData',
          query,
          format,
          vary: 'accept, accept-encoding',
        }
        // Before a 304 as well: what cannot be answered is not unchanged.
        const after = query.cursor === undefined ? null : decodeCursor(query.cursor, asked)
        if (query.cursor !== undefined && after === null) throw queryProblem('cursor', CURSOR_MESSAGE)
        const readOwnVersion = () => readVersion(dataDb, asked.symbols)
        if (await isUnchanged(request, reply, revalidation, readOwnVersion)) return reply.send()
        if (format !== 'json' && !isPage(query)) {
          // Before the rows, which are read for as long as the client takes them.
          const headers = {
            ...cacheHeaders(revalidation, await readOwnVersion()),
            ...unknownHeader(await unknownSymbols(dataDb, asked, [])),
            ...syntheticHeader(await isSynthetic()),
          }
          return sendExport(reply, { db, exports }, asked, { format, columns, headers })
        }
        // What was stored at an instant is counted row by row; all else by what is kept of each symbol.
        const range = {
          symbols: asked.symbols?.length ?? 0,
          startDate: asked.startDate,
          endDate: asked.endDate,
        }
        const page =
          asked.asOf !== undefined && isHeavy(range)
            ? await heavy.run(request, (heavyDb) => readPage(heavyDb, query, asked, after))
            : await readPage(dataDb, query, asked, after)
        const headers = cacheHeaders(revalidation, page.version)
        if (page.cursor !== null) headers['link'] = nextLink(url, page.cursor)
        const unknown = await unknownSymbols(dataDb, asked, page.rows)
        const data = page.rows.map((row) => rowAnswer(row, query.fields))
        if (format !== 'json') {
          const all = { ...headers, ...unknownHeader(unknown), ...syntheticHeader(await isSynthetic()) }
          return sendText(reply, asked, { format, columns, headers: all }, data)
        }
        reply.headers(headers)
        const info = await infoOfRange(dataDb, unknown, emptyOf(asked, page, unknown))
        return { data, pagination: page.pagination, info }
      },
    )
  }
}

interface PageRead {
  rows: StoredBar[]
  pagination: ListPagination
  /** Of the next page; null where there is none. */
  cursor: string | null
  version: string
}

/** @param after of the cursor; null: without one */
async function readPage(
  db: Dependencies['db'],
  query: Query,
  asked: FinancialDataQuery,
  after: Position | null,
): Promise<PageRead> {
  const page = pageOf(query, STANDARD_LIMIT)
  const cursorAfter = (row: StoredBar | undefined) => (row === undefined ? null : encodeCursor(row, asked))
  if (after === null) {
    const { rows, count, version } = await listFinancialData(db, asked, page)
    const cursor = page.offset + rows.length < count ? cursorAfter(rows.at(-1)) : null
    return { rows, pagination: pagination(page, count), cursor, version }
  }
  const { rows, isLast, version } = await listFinancialDataAfter(db, asked, after, page.limit)
  const cursor = isLast ? null : cursorAfter(rows.at(-1))
  return { rows, pagination: { limit: page.limit, next_cursor: cursor }, cursor, version }
}

/** Asked only when the rows do not say it: with one symbol, when there are none. */
async function unknownSymbols(
  db: Dependencies['db'],
  { symbols = [] }: FinancialDataQuery,
  rows: readonly StoredBar[],
): Promise<string[]> {
  const found = new Set(rows.map((row) => row.symbol))
  const doubtful = symbols.filter((symbol) => !found.has(symbol))
  return doubtful.length === 0 ? [] : readUnknown(db, doubtful)
}

function syntheticHeader(isSynthetic: boolean): Record<string, string> {
  return isSynthetic ? { 'x-synthetic-data': 'true' } : {}
}

/** Known symbols, when nothing matches on any page. */
function emptyOf(
  { symbols = [] }: FinancialDataQuery,
  { pagination: found }: PageRead,
  unknown: readonly string[],
): string[] {
  const isEmpty = 'count' in found && found.count === 0
  return isEmpty ? symbols.filter((symbol) => !unknown.includes(symbol)) : []
}

/** No symbol has a comma in it. */
function unknownHeader(symbols: readonly string[]): Record<string, string> {
  return symbols.length === 0 ? {} : { 'x-unknown-symbols': symbols.join(',') }
}
