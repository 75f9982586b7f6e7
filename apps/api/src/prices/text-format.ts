import type { TextFormat } from '@stockpile/db/export'
import type { BarColumn } from '@stockpile/domain/bar'
import { MEDIA_TYPES } from '../http/negotiation.js'

/** The header Content-Type of an answer. */
export const CONTENT_TYPES: Record<TextFormat, string> = {
  csv: `${MEDIA_TYPES.csv}; charset=utf-8; header=present`,
  ndjson: `${MEDIA_TYPES.ndjson}; charset=utf-8`,
}

/** @returns the first line of a CSV; an empty text for NDJSON */
export function headOf(format: TextFormat, columns: readonly BarColumn[]): string {
  return format === 'csv' ? `${columns.join(',')}\r\n` : ''
}

/** Writes bars that were read as objects in the form of an export, which `readExportChunk` and `writeLines` make. */
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

/** Keeps a spreadsheet from taking a symbol for a formula; prices, volumes and dates never begin like one. */
function csvCell(text: string): string {
  return /^[=+\-@]/.test(text) ? `'${text}` : text
}

/** Windows takes these names for devices, whatever follows the first dot. */
const DEVICES = /^(?:CON|PRN|AUX|NUL|COM\d|LPT\d)(?=\.|$)/i
/** Most file systems take 255 bytes, some tools fewer. */
const MAX_NAME_LENGTH = 100

/**
 * Makes the header Content-Disposition with a file name that every system takes: letters, digits, `_`, `-` and inner dots.
 * The name is ASCII, so that the header needs no `filename*`.
 * @param parts of the name, e.g. the symbol and the dates
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
