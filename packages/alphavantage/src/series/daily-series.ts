import { BAR_FIELDS } from '@stockpile/domain/bar'
import type { Bar, BarField } from '@stockpile/domain/bar'
import { isCalendarDate } from '../exchanges/calendar.js'
import { badPayload, nameOf, noData, readHead, refuseRefusal, SERIES_KEY } from './envelope.js'
import { hasRepeatedKey, isRecord, membersOf } from '../text/json.js'
import { asIs, type Redact } from '../text/redact.js'
import { readRegularBody } from './regular-body.js'
import { type CheckedRecord, settleRepeats } from './repeated-dates.js'
import { checkRecord, type RawFields, type RejectReason, type SessionDates } from './row-check.js'
import { buildSeries, type DailySeries, type SeriesBuilder } from './series.js'
import { storableJson, storableText } from '../text/storable.js'

export type { DailySeries } from './series.js'
export type { RejectedRecord, RejectReason } from './row-check.js'

/**
 * Parses and checks the JSON body of TIME_SERIES_DAILY (or _ADJUSTED, whose raw prices are taken). A bad record is rejected
 * and the others pass; `settleRepeats` says what becomes of a date that comes twice.
 * @param now decides which dates lie in the future
 * @param redact is applied to rejected records before they are cut
 * @throws AlphaVantageError of a refusal's class, `no_data` for a missing or empty series, `wrong_symbol` for another symbol's,
 *   `bad_payload` for no JSON or a key twice outside the series; its evidence is not redacted yet
 */
export function parseDailyJson(
  text: string,
  expectedSymbol: string,
  now: Date,
  redact: Redact = asIs,
): DailySeries {
  return readRegularBody(text, expectedSymbol, now, redact) ?? readAnyBody(text, expectedSymbol, now, redact)
}

const FIELD_OF_NAME: ReadonlyMap<string, BarField> = new Map(BAR_FIELDS.map((field) => [field, field]))

function readAnyBody(text: string, symbol: string, now: Date, redact: Redact): DailySeries {
  const body = parseJson(text, symbol)
  refuseRefusal(body, text, symbol)
  if (!isRecord(body)) throw badPayload(symbol, 'the body is no JSON object', text)
  const records = body[SERIES_KEY]
  if (records === undefined || records === null) throw noData(symbol, text)
  if (!isRecord(records)) throw badPayload(symbol, 'the series is no JSON object', text)
  if (Object.keys(records).length === 0) throw noData(symbol, text)
  const members = hasRepeatedKey(text, body)
    ? readRepeated(text, body, symbol)
    : Object.entries(records).map(([date, record]): Member => ({ date, record }))
  const series = buildSeries(readHead(body, text, symbol, redact), now)
  const checked = members.map(({ date, record, hasRepeatedField = false }): CheckedRecord => ({
    date,
    raw: () => storableJson({ [date]: record }, redact),
    checked: hasRepeatedField ? ['repeated_field'] : checkMember(date, record, series.sessions),
  }))
  for (const one of settleRepeats(checked)) add(series, one)
  return series.finish(Buffer.byteLength(text))
}

/** One record of the series. A record with a repeated field is given as its text, since JSON.parse would hide the repetition. */
interface Member {
  date: string
  record: unknown
  hasRepeatedField?: boolean
}

/** Reads the series of a body in which a key comes twice from the text, since JSON.parse kept the last of equal keys alone. */
function readRepeated(text: string, body: Record<string, unknown>, symbol: string): Member[] {
  const parts = membersOf(text)
  const isUnclear = ({ key, value }: { key: string; value: string }) =>
    key !== SERIES_KEY && hasRepeatedKey(value, JSON.parse(value))
  // A key outside the series that comes twice leaves open whose data this is, or which series is meant.
  if (parts.length > Object.keys(body).length || parts.some(isUnclear))
    throw badPayload(symbol, 'a key outside the series comes twice', text)
  const series = parts.find(({ key }) => key === SERIES_KEY)?.value ?? '{}'
  return membersOf(series).map(({ key: date, value }) => {
    const record: unknown = JSON.parse(value)
    return hasRepeatedKey(value, record)
      ? { date, record: value.trim(), hasRepeatedField: true }
      : { date, record }
  })
}

function parseJson(text: string, symbol: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The error has no cause, since the message of JSON.parse quotes the body.
    throw badPayload(symbol, 'the body is no JSON', text)
  }
}

function add(series: SeriesBuilder, { date, raw, checked }: CheckedRecord): void {
  if ('close' in checked) series.accept(checked)
  else series.reject({ date: isCalendarDate(date) ? date : null, raw, reasons: [...checked] })
}

function checkMember(date: string, record: unknown, sessions: SessionDates): Bar | RejectReason[] {
  if (!isRecord(record)) return ['not_a_record']
  const fields: RawFields = {}
  for (const key of Object.keys(record)) {
    const field = FIELD_OF_NAME.get(nameOf(key))
    if (field === undefined) continue
    if (Object.hasOwn(fields, field)) return ['repeated_field']
    fields[field] = record[key]
  }
  return checkRecord(date, fields, sessions)
}

/**
 * Parses and checks the CSV of a daily series, raw or adjusted, with CRLF or LF. CSV carries neither the symbol nor the
 * refresh time: another symbol's data is not noticed, and a bar whose day is not over everywhere on Earth counts as
 * provisional. Refusals come as JSON whatever was asked for. Parameters and errors are those of `parseDailyJson`.
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
  if (columns[0] !== 'timestamp' || BAR_FIELDS.some((field) => !columns.includes(field))) {
    throw badPayload(expectedSymbol, 'the body is no CSV of a daily series', text)
  }
  if (new Set(columns).size < columns.length) throw badPayload(expectedSymbol, 'a column comes twice', text)
  if (lines.pop() !== '') throw badPayload(expectedSymbol, 'the CSV ends in the middle of a line', text)
  if (lines.length === 1) throw noData(expectedSymbol, text)
  const series = buildSeries({ symbol: expectedSymbol, lastRefreshed: null, timeZone: null }, now)
  const checked = lines.slice(1).map((line) => checkLine(columns, line, series.sessions, redact))
  for (const one of settleRepeats(checked)) add(series, one)
  return series.finish(Buffer.byteLength(text))
}

function checkLine(columns: string[], line: string, sessions: SessionDates, redact: Redact): CheckedRecord {
  const values = line.split(',')
  const date = values[0] ?? ''
  const fields: RawFields = {}
  for (const field of BAR_FIELDS) fields[field] = values[columns.indexOf(field)]
  const tooMany = values.length > columns.length
  return {
    date,
    raw: () => storableText(redact(line).slice(0, 1_000)),
    checked: tooMany ? ['not_a_record'] : checkRecord(date, fields, sessions),
  }
}
