import { CACHE_HEADERS } from '../http/revalidation.js'
import { EXAMPLE_CURSOR } from './financial-data-schema.js'

/** OpenAPI's description of the headers of an answer with bars. */
export const BAR_HEADERS = {
  ...CACHE_HEADERS,
  'Content-Disposition': {
    description: 'Of CSV and NDJSON: a name for the file.',
    schema: { type: 'string' },
    example: 'attachment; filename="IBM_2023-01-01_2023-01-31.csv"',
  },
  Link: {
    description: 'RFC 8288: `<URL>; rel="next"`, where more rows follow. The URL has a cursor.',
    schema: { type: 'string' },
    example: `</api/financial_data?symbol=IBM&limit=3&cursor=${EXAMPLE_CURSOR}>; rel="next"`,
  },
  'X-Unknown-Symbols': {
    description: 'Of CSV and NDJSON: the symbols asked for that have no stored row, separated by commas.',
    schema: { type: 'string' },
    example: 'NOSUCH',
  },
  'X-Synthetic-Data': {
    description: 'Of CSV and NDJSON: there, and true, when prices that a simulator made up were stored here.',
    schema: { type: 'string', const: 'true' },
    example: 'true',
  },
} as const

/** What `info` says in JSON, as headers of CSV and NDJSON. Commas may separate symbols, since no symbol has one in it. */
export function infoHeaders(info: {
  unknown: readonly string[]
  isSynthetic: boolean
}): Record<string, string> {
  return {
    ...(info.unknown.length === 0 ? {} : { 'x-unknown-symbols': info.unknown.join(',') }),
    ...(info.isSynthetic ? { 'x-synthetic-data': 'true' } : {}),
  }
}
