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
import type { ExportPlaces } from './export-places.js'
import { streamExport } from './export-stream.js'
import { writeLines } from './export-lines.js'
import { barsAsText, CONTENT_TYPES, dispositionOf, headOf } from './text-format.js'
import { MEDIA_TYPES } from '../http/negotiation.js'

/** Rows of an export that are read at once. Smaller chunks cost more round trips and plans, larger ones more memory. */
const CHUNK_ROWS = 10_000

interface Text {
  format: TextFormat
  columns: readonly BarColumn[]
  headers: Record<string, string>
}

/**
 * Answers with all bars of a query, however many, as a stream.
 * @throws ProblemError 429 or 503 when there is no place for an export
 */
export async function sendExport(
  reply: FastifyReply,
  { db, places }: { db: Pool; places: ExportPlaces },
  query: FinancialDataQuery,
  text: Text,
): Promise<FastifyReply> {
  if (reply.request.method === 'HEAD') return describeText(reply, query, text).send(Readable.from([]))
  const place = await places.enter(clientAddressOf(reply.request))
  try {
    const readAfter = (last: Parameters<typeof readExportChunk>[3]) =>
      readExportChunk(db, query, text, last, CHUNK_ROWS)
    const first = await readAfter(null)
    return streamExport(describeText(reply, query, text), place, {
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

/** Answers with bars that were read already. */
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

const textOf = (format: TextFormat, description: string, example: string) => ({
  description: 'Bars.',
  content: { [MEDIA_TYPES[format]]: { schema: z.string().meta({ description, examples: [example] }) } },
})

/** The response schemas of bars as CSV and as NDJSON. */
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
