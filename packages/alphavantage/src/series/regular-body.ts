import { BAR_VALUES } from '@stockpile/domain/bar'
import { PRICE_SOURCE, VOLUME_SOURCE } from './decimal.js'
import { readHead, refuseRefusal, SERIES_KEY } from './envelope.js'
import { hasRepeatedKey, isRecord } from '../text/json.js'
import type { Redact } from '../text/redact.js'
import { checkValues } from './row-check.js'
import { buildSeries, type DailySeries } from './series.js'
import { storableJson } from '../text/storable.js'

// The white space of JSON: \s would match characters that JSON.parse refuses.
const WS = String.raw`[ \t\r\n]*`
const COLON = `${WS}:${WS}`
const field = (name: string, value: string) => String.raw`"\d{1,2}\. ${name}"${COLON}"(${value})"${WS}`

/** Matches one record as Alpha Vantage writes it, with the comma or the brace behind it. */
const ROW = new RegExp(
  String.raw`${WS}"(\d{4}-\d\d-\d\d)"${COLON}\{${WS}` +
    BAR_VALUES.map((value) => field(value.field, value.kind === 'price' ? PRICE_SOURCE : VOLUME_SOURCE)).join(
      `,${WS}`,
    ) +
    String.raw`\}${WS}([,}])`,
  'y',
)
const END = new RegExp(String.raw`${WS}\}${WS}$`, 'y')

/**
 * Reads a body that is regular to the letter: `Meta Data`, then records of five canonical numbers, newest first, and nothing
 * else. Nearly every body is regular, and is read in a third of the time of JSON.parse, which interns the short strings. A
 * property test shows that the general parser reads each such body alike.
 * @returns null for every other body, valid or not
 * @throws AlphaVantageError for what stands before the records, as `parseDailyJson` does
 */
export function readRegularBody(text: string, symbol: string, now: Date, redact: Redact): DailySeries | null {
  const envelope = readEnvelope(text)
  if (envelope === null) return null
  refuseRefusal(envelope.body, text, symbol)
  const series = buildSeries(readHead(envelope.body, text, symbol, redact), now)

  ROW.lastIndex = envelope.end
  for (let separator = ','; separator === ',';) {
    const start = ROW.lastIndex
    const match = ROW.exec(text)
    if (match === null) return null
    separator = match.at(-1) ?? ''
    // Written out, since this runs for every record: the values are in the order of BAR_VALUES.
    const row = {
      date: match[1] ?? '',
      open: match[2] ?? '',
      high: match[3] ?? '',
      low: match[4] ?? '',
      close: match[5] ?? '',
      volume: match[6] ?? '',
    }
    const reasons = checkValues(row, series.sessions)
    if (reasons.length === 0) series.accept(row)
    else {
      const end = ROW.lastIndex - 1
      const raw = () => storableJson(JSON.parse(`{${text.slice(start, end)}}`), redact)
      series.reject({ date: reasons.includes('not_a_date') ? null : row.date, raw, reasons })
    }
  }

  END.lastIndex = ROW.lastIndex
  // Where a date is not older than the one before, a date may come twice: the general parser settles that.
  return END.test(text) && series.isFalling ? series.finish(Buffer.byteLength(text)) : null
}

/** Parses the text before the records, with its braces closed. `end` is the index at which the first record starts. */
function readEnvelope(text: string): { body: Record<string, unknown>; end: number } | null {
  const key = text.indexOf(`"${SERIES_KEY}"`)
  const end = text.indexOf('{', key) + 1
  if (key === -1 || end === 0) return null
  const head = `${text.slice(0, end)}}}`
  try {
    const body: unknown = JSON.parse(head)
    return isRecord(body) &&
      isRecord(body[SERIES_KEY]) &&
      isRecord(body['Meta Data']) &&
      !hasRepeatedKey(head, body)
      ? { body, end }
      : null
  } catch {
    return null
  }
}
