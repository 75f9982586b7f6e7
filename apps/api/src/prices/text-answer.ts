import type { Pool } from '@stockpile/db/connection'
import { readExportChunk } from '@stockpile/db/export'
import type { TextFormat } from '@stockpile/db/export'
import { BAR_COLUMNS } from '@stockpile/domain/bar'
import type { BarColumn } from '@stockpile/domain/bar'
import type { FinancialDataQuery } from '@stockpile/db/financial-data-query'
import type { FastifyReply } from 'fastify'
import { Readable } from 'node:stream'
import * as z from 'zod'
import { EXAMPLE_BARS } from './bar.js'
import { clientAddressOf } from '../http/client-address.js'
import type { Exports } from './exports.js'
import { writeLines } from './export-lines.js'
import { barsAsText, CONTENT_TYPES, dispositionOf, headOf } from './formats.js'
import { MEDIA_TYPES } from '../http/negotiation.js'
import { CACHE_HEADERS } from '../http/envelope.js'

/** Of an export. Fewer cost round trips and plans, more memory. */
const CHUNK_ROWS = 10_000

interface Text {
  format: TextFormat
  columns: readonly BarColumn[]
  /** Of a success. */
  headers: Record<string, string>
}

/** Answers with all bars of a query, however many. */
export async function sendExport(
  reply: FastifyReply,
  { db, exports }: { db: Pool; exports: Exports },
  query: FinancialDataQuery,
  text: Text,
): Promise<FastifyReply> {
  if (reply.request.method === 'HEAD') return describeText(reply, query, text).send(Readable.from([]))
  const place = await exports.enter(clientAddressOf(reply.request))
  try {
    const readAfter = (last: Parameters<typeof readExportChunk>[3]) =>
      readExportChunk(db, query, text, last, CHUNK_ROWS)
    const first = await readAfter(null)
    return exports.send(describeText(reply, query, text), place, {
      head: headOf(text.format, text.columns),
      first,
      readAfter,
      write: (lines) => writeLines(lines, text),
    })
  } catch (error) {
    place.leave()
    throw error
  }
}

/** Answers with bars that are there already. */
export function sendText(
  reply: FastifyReply,
  query: FinancialDataQuery,
  text: Text,
  bars: readonly Partial<Record<BarColumn, string>>[],
): FastifyReply {
  return describeText(reply, query, text).send(barsAsText(text.format, text.columns, bars))
}

function describeText(
  reply: FastifyReply,
  query: FinancialDataQuery,
  { format, headers }: Text,
): FastifyReply {
  const what = query.symbols?.length === 1 ? query.symbols[0] : 'financial_data'
  return reply
    .headers(headers)
    .type(CONTENT_TYPES[format])
    .header('content-disposition', dispositionOf(format, [what, query.startDate, query.endDate]))
}

const [EXAMPLE_BAR] = EXAMPLE_BARS
const CSV_EXAMPLE = barsAsText('csv', BAR_COLUMNS, [EXAMPLE_BAR])
const NDJSON_EXAMPLE = barsAsText('ndjson', BAR_COLUMNS, [EXAMPLE_BAR])

/** For OpenAPI. */
export const TEXT_HEADERS = {
  ...CACHE_HEADERS,
  'Content-Disposition': {
    description: 'Of CSV and NDJSON: a name for the file.',
    schema: { type: 'string' },
    example: 'attachment; filename="IBM_2023-01-01_2023-01-31.csv"',
  },
} as const

const textOf = (format: TextFormat, description: string, example: string) => ({
  description: 'Bars.',
  content: { [MEDIA_TYPES[format]]: { schema: z.string().meta({ description, examples: [example] }) } },
})

/** The response schemas of bars in each format that is no JSON. */
export const csvAnswer = textOf(
  'csv',
  'RFC 4180: a header row, CRLF, nothing is quoted since nothing needs it. A symbol that begins with = + - or @ has an apostrophe before it, lest a spreadsheet take it for a formula; no symbol begins with one by itself, so a reader takes it off.',
  CSV_EXAMPLE,
)
export const ndjsonAnswer = textOf(
  'ndjson',
  'A JSON object of a bar on each line, as in data of JSON.',
  NDJSON_EXAMPLE,
)
