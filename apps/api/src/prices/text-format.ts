import type { TextFormat } from '@stockpile/db/export'
import type { BarColumn } from '@stockpile/domain/bar'
import { MEDIA_TYPES } from '../http/negotiation.js'

/** As an answer states it. */
export const CONTENT_TYPES: Record<TextFormat, string> = {
  csv: `${MEDIA_TYPES.csv}; charset=utf-8; header=present`,
  ndjson: `${MEDIA_TYPES.ndjson}; charset=utf-8`,
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
