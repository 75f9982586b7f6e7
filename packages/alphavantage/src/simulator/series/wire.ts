import type { SeriesFunction } from './functions.js'
import type { Row, Series } from './series.js'

const TIME_ZONE = 'US/Eastern'

const PLAIN = /^[\w.:-]*$/

/** Whether every value is there and holds no character that JSON escapes. */
function isPlain(row: Row, columns: number): boolean {
  return row.length === columns + 1 && row.every((value) => value !== undefined && PLAIN.test(value))
}

/**
 * Makes a function that writes a row as the provider does. Plain rows, all but the altered ones, are joined from prepared
 * pieces: JSON.stringify on each of the 30,000 values of a full series takes four times as long.
 */
function jsonRowWriter(columns: readonly string[]): (row: Row) => string {
  const names = columns.map((column, index) => `            "${index + 1}. ${column.replaceAll('_', ' ')}": `)
  const glue = names.map((name, index) => `"${index === 0 ? ': {' : ','}\n${name}"`)

  return (row) => {
    if (isPlain(row, columns.length)) {
      let text = `        "${row[0]}`
      for (let index = 0; index < glue.length; index += 1) text += `${glue[index]}${row[index + 1]}`
      return `${text}"\n        }`
    }
    const [date, ...values] = row
    const fields = values.flatMap((value, index) =>
      value === undefined ? [] : [`${names[index]}${JSON.stringify(value)}`],
    )
    return `        ${JSON.stringify(date)}: {\n${fields.join(',\n')}\n        }`
  }
}

/**
 * Writes a series as the provider's JSON: 4 spaces of indent, LF, no newline at the end. It is written as text and not from
 * an object, so that a date can come twice.
 */
export function seriesJson(fn: SeriesFunction, series: Series): Buffer {
  const meta = [
    ['Information', fn.information],
    ['Symbol', series.symbol],
    ['Last Refreshed', series.lastRefreshed],
    ...(fn.hasOutputsize ? [['Output Size', series.outputsize === 'full' ? 'Full size' : 'Compact']] : []),
    ['Time Zone', TIME_ZONE],
  ].map(([name, value], index) => `        "${index + 1}. ${name}": ${JSON.stringify(value)}`)
  const rows = series.rows.map(jsonRowWriter(fn.columns))
  return Buffer.concat([
    Buffer.from(
      `{\n    "Meta Data": {\n${meta.join(',\n')}\n    },\n    ${JSON.stringify(fn.seriesKey)}: {\n`,
    ),
    Buffer.from(rows.join(',\n')),
    Buffer.from('\n    }\n}'),
  ])
}

/** Writes a series as the provider's CSV: CRLF, newest first, without the symbol and the refresh time. */
export function seriesCsv(fn: SeriesFunction, series: Series): Buffer {
  const lines = series.rows.map((row) => row.join(','))
  return Buffer.from([`timestamp,${fn.columns.join(',')}`, ...lines, ''].join('\r\n'))
}

/** Writes any other body, such as a refusal, with the provider's 4 spaces of indent. */
export function objectJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value, null, 4))
}
