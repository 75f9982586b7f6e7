import { BAR_COLUMNS } from '@stockpile/domain/bar'
import { readVersion } from '@stockpile/db/version'
import type { Dependencies } from '../dependencies.js'
import { problems } from '../http/envelope.js'
import { isHeavy } from '../http/heavy-statements.js'
import { infoOfRange } from '../http/info.js'
import { nextLink, queryProblem } from '../http/list-answer.js'
import { negotiateFormat } from '../http/negotiation.js'
import type { Format } from '../http/negotiation.js'
import { CURSOR_MESSAGE, isPage } from '../http/pagination.js'
import {
  CACHE_HEADERS,
  cacheHeaders,
  isUnchanged,
  revalidationHeaders,
  unchangedSchema,
} from '../http/revalidation.js'
import { BAR_HEADERS, infoHeaders } from './bar-headers.js'
import { decodeCursor } from './cursor.js'
import type { ExportPlaces } from './export-places.js'
import { answerSchema, querySchema, rowAnswer, rowsAskedFor } from './financial-data-schema.js'
import { emptyOf, readPage, unknownSymbols } from './page.js'
import type { SyntheticData } from './synthetic-data.js'
import { csvAnswer, ndjsonAnswer, sendExport, sendText } from './text-answer.js'
import type { App } from '../types.js'

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
  /** undefined: the request chooses the format. */
  format: Format | undefined
  success: typeof answerSchema | typeof csvAnswer
}

/**
 * Each format has an address of its own, so that a client that is generated from the document knows the type of an answer.
 */
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
  { places, isSynthetic }: { places: ExportPlaces; isSynthetic: SyntheticData },
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
            200: BAR_HEADERS,
            304: CACHE_HEADERS,
          },
        },
        // Checking 7,000 values again took a fifth of the request. Types and the fuzz hold the answer to its schema.
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
        // A wrong cursor is an error even where the data has not changed, so this comes before the 304.
        const after = query.cursor === undefined ? null : decodeCursor(query.cursor, asked)
        if (query.cursor !== undefined && after === null) throw queryProblem('cursor', CURSOR_MESSAGE)
        const readOwnVersion = () => readVersion(dataDb, asked.symbols)
        if (await isUnchanged(request, reply, revalidation, readOwnVersion)) return reply.send()
        if (format !== 'json' && !isPage(query)) {
          // The version is read before the rows, whose reading takes as long as the client does.
          const headers = cacheHeaders(revalidation, await readOwnVersion())
          const unknown = await unknownSymbols(dataDb, asked, [])
          const all = { ...headers, ...infoHeaders({ unknown, isSynthetic: await isSynthetic() }) }
          return sendExport(reply, { db, places }, asked, { format, columns, headers: all })
        }
        // PostgreSQL counts row by row what was stored at an instant; other counts are kept for each symbol.
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
          const all = { ...headers, ...infoHeaders({ unknown, isSynthetic: await isSynthetic() }) }
          return sendText(reply, asked, { format, columns, headers: all }, data)
        }
        reply.headers(headers)
        const info = await infoOfRange(dataDb, unknown, emptyOf(asked, page, unknown))
        return { data, pagination: page.pagination, info }
      },
    )
  }
}
