import { isCalendarDate } from './calendar.js'
import { badPayload, nameOf, noData, readHead, refuseRefusal, SERIES_KEY } from './envelope.js'
import { hasRepeatedKey, isRecord } from './json.js'
import { asIs, type Redact } from './redact.js'
import { readRegularBody } from './regular-body.js'
import { checkRecord, FIELDS, type Field, type RawFields } from './row-check.js'
import { buildSeries, type DailySeries, type SeriesBuilder } from './series.js'
import { storableJson, storableText } from './storable.js'

export type { DailySeries } from './series.js'
export type { DailyRow, RejectedRow, RejectReason } from './row-check.js'

/**
 * Parses and checks the JSON body of TIME_SERIES_DAILY (or _ADJUSTED, whose raw prices are taken). A bad record comes
 * out rejected, the others pass. `now` decides what is a future date. `redact` is applied to what is kept of a rejected
 * record, before that is cut.
 * Throws AlphaVantageError: a refusal's class, `no_data` for a missing or empty series, `bad_payload` for what is no
 * JSON, has a repeated key (so a repeated date), or holds another symbol's data. Its evidence is not redacted yet.
 */
export function parseDailyJson(
  text: string,
  expectedSymbol: string,
  now: Date,
  redact: Redact = asIs,
): DailySeries {
  return readRegularBody(text, expectedSymbol, now, redact) ?? readAnyBody(text, expectedSymbol, now, redact)
}

const FIELD_OF_NAME: ReadonlyMap<string, Field> = new Map(FIELDS.map((field) => [field, field]))

function readAnyBody(text: string, symbol: string, now: Date, redact: Redact): DailySeries {
  const body = parseJson(text, symbol)
  refuseRefusal(body, text, symbol)
  if (!isRecord(body)) throw badPayload(symbol, 'the body is no JSON object', text)
  const records = body[SERIES_KEY]
  if (records === undefined || records === null) throw noData(symbol, text)
  if (!isRecord(records)) throw badPayload(symbol, 'the series is no JSON object', text)
  if (Object.keys(records).length === 0) throw noData(symbol, text)
  if (hasRepeatedKey(text, body)) throw badPayload(symbol, 'a key, such as a date, comes twice', text)
  const series = buildSeries(readHead(body, text, symbol), now)
  for (const [date, record] of Object.entries(records)) addRecord(series, date, record, redact)
  return series.finish(Buffer.byteLength(text), text)
}

function parseJson(text: string, symbol: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Without the cause: its message quotes the body.
    throw badPayload(symbol, 'the body is no JSON', text)
  }
}

function addRecord(series: SeriesBuilder, date: string, record: unknown, redact: Redact): void {
  const checked = isRecord(record) ? checkFields(series, date, record) : (['not_a_record'] as const)
  if ('close' in checked) series.accept(checked)
  else {
    const raw = storableJson({ [date]: record }, redact)
    series.reject({ date: isCalendarDate(date) ? date : null, raw, reasons: [...checked] })
  }
}

function checkFields(series: SeriesBuilder, date: string, record: Record<string, unknown>) {
  const fields: RawFields = {}
  for (const key of Object.keys(record)) {
    const field = FIELD_OF_NAME.get(nameOf(key))
    if (field === undefined) continue
    if (Object.hasOwn(fields, field)) return ['repeated_field'] as const
    fields[field] = record[key]
  }
  return checkRecord(date, fields, series.newestDate)
}

/**
 * Parses and checks the CSV of a daily series, raw or adjusted, with CRLF or LF. CSV carries neither the symbol nor the
 * refresh time: another symbol's data cannot be told, and a bar whose day is not over everywhere on Earth counts as
 * provisional. Refusals come as JSON whatever was asked for. Redacts and throws as parseDailyJson does.
 */
export function parseDailyCsv(
  text: string,
  expectedSymbol: string,
  now: Date,
  redact: Redact = asIs,
): DailySeries {
  if (/^\s*[{[]/.test(text)) {
    refuseRefusal(parseJson(text, expectedSymbol), text, expectedSymbol)
    throw noData(expectedSymbol, text)
  }
  const lines = text.split(/\r?\n/)
  const columns = (lines[0] ?? '').split(',')
  if (columns[0] !== 'timestamp' || FIELDS.some((field) => !columns.includes(field))) {
    throw badPayload(expectedSymbol, 'the body is no CSV of a daily series', text)
  }
  if (new Set(columns).size < columns.length) throw badPayload(expectedSymbol, 'a column comes twice', text)
  if (lines.pop() !== '') throw badPayload(expectedSymbol, 'the CSV ends in the middle of a line', text)
  if (lines.length === 1) throw noData(expectedSymbol, text)
  const series = buildSeries({ symbol: expectedSymbol, lastRefreshed: null, timeZone: null }, now)
  for (const line of lines.slice(1)) addLine(series, columns, line, redact)
  return series.finish(Buffer.byteLength(text), text)
}

function addLine(series: SeriesBuilder, columns: string[], line: string, redact: Redact): void {
  const values = line.split(',')
  const date = values[0] ?? ''
  const fields: RawFields = {}
  for (const field of FIELDS) fields[field] = values[columns.indexOf(field)]
  const tooMany = values.length > columns.length
  const checked = tooMany ? (['not_a_record'] as const) : checkRecord(date, fields, series.newestDate)
  if ('close' in checked) series.accept(checked)
  else {
    const raw = storableText(redact(line).slice(0, 1_000))
    series.reject({ date: isCalendarDate(date) ? date : null, raw, reasons: [...checked] })
  }
}
