import type { BarColumn, TextFormat } from '@stockpile/db/export'
import { ProblemError } from './problem.js'

/** The formats of bars, in the order in which the server prefers them. */
export const FORMATS = ['json', 'csv', 'ndjson'] as const
export type Format = (typeof FORMATS)[number]

export const MEDIA_TYPES = {
  json: 'application/json',
  csv: 'text/csv',
  ndjson: 'application/x-ndjson',
} as const satisfies Record<Format, string>

/** As an answer states it. */
export const CONTENT_TYPES: Record<TextFormat, string> = {
  csv: `${MEDIA_TYPES.csv}; charset=utf-8; header=present`,
  ndjson: `${MEDIA_TYPES.ndjson}; charset=utf-8`,
}

/** @throws ProblemError 406 when Accept (RFC 9110, 12.5.1) takes none of the formats */
export function negotiateFormat(accept: string | undefined): Format {
  if (accept === undefined || accept.trim() === '') return 'json'
  const ranges = accept.split(',').map(parseRange)
  let best: { format: Format; quality: number } | undefined
  for (const format of FORMATS) {
    const quality = qualityOf(MEDIA_TYPES[format], ranges)
    if (quality > (best?.quality ?? 0)) best = { format, quality }
  }
  if (best !== undefined) return best.format
  throw notAcceptable()
}

export function notAcceptable(): ProblemError {
  return new ProblemError(406, `Accept takes none of ${Object.values(MEDIA_TYPES).join(', ')}.`, {
    errors: [{ pointer: '/headers/accept', code: 'not_acceptable', detail: 'Or give format.' }],
  })
}

interface MediaRange {
  type: string
  /** From 0, not at all, to 1. */
  quality: number
}

function parseRange(text: string): MediaRange {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1'
  // What is no weight makes no range that takes anything.
  return { type, quality: /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(weight) ? Number(weight) : 0 }
}

/** That of the most specific range that has the type. */
function qualityOf(mediaType: string, ranges: MediaRange[]): number {
  for (const wanted of [mediaType, mediaType.replace(/\/.*/, '/*'), '*/*']) {
    const range = ranges.find(({ type }) => type === wanted)
    if (range !== undefined) return range.quality
  }
  return 0
}

/** The first line of a CSV; other formats have none. */
export function headOf(format: TextFormat, columns: readonly BarColumn[]): string {
  return format === 'csv' ? `${columns.join(',')}\r\n` : ''
}

/** Bars that were read one by one, written as those of an export are (see `readExportChunk` and `writeLines`). */
export function barsAsText(
  format: TextFormat,
  columns: readonly BarColumn[],
  bars: readonly Partial<Record<BarColumn, string>>[],
): string {
  const lines =
    format === 'csv'
      ? bars.map((bar) => `${columns.map((column) => csvCell(bar[column] ?? '')).join(',')}\r\n`)
      : bars.map(
          (bar) => `${JSON.stringify(Object.fromEntries(columns.map((column) => [column, bar[column]])))}\n`,
        )
  return headOf(format, columns) + lines.join('')
}

/** Inert in a spreadsheet: prices, volumes and dates never begin like a formula, symbols may. */
function csvCell(text: string): string {
  return /^[=+\-@]/.test(text) ? `'${text}` : text
}

/** Windows takes these for devices, whatever follows the first dot. */
const DEVICES = /^(?:CON|PRN|AUX|NUL|COM\d|LPT\d)(?=\.|$)/i
/** Most file systems take 255 bytes, some tools fewer. */
const MAX_NAME_LENGTH = 100

/**
 * A file name that every system takes as it is: letters, digits, `_`, `-` and inner dots. All of it is ASCII, so that there is
 * nothing for `filename*` to say.
 * @param parts of the request, e.g. the symbol
 */
export function dispositionOf(format: TextFormat, parts: readonly (string | undefined)[]): string {
  const name = parts
    .filter((part) => part !== undefined)
    .join('_')
    .replaceAll(/[^\w.-]/g, '-')
    .slice(0, MAX_NAME_LENGTH)
    .replaceAll(/^[.-]+|\.+$/g, '')
    .replace(DEVICES, '$&_')
  return `attachment; filename="${name === '' ? 'financial_data' : name}.${format}"`
}
