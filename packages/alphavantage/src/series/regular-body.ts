import { BAR_VALUES } from '@stockpile/domain/bar'
import { PRICE_SOURCE, VOLUME_SOURCE } from './decimal.js'
import { readHead, refuseRefusal, SERIES_KEY } from './envelope.js'
import { hasRepeatedKey, isRecord } from '../text/json.js'
import type { Redact } from '../text/redact.js'
import { checkValues } from './row-check.js'
import { buildSeries, type DailySeries } from './series.js'
import { storableJson } from '../text/storable.js'

// JSON's own white space: \s would let through what JSON.parse refuses.
const WS = String.raw`[ \t\r\n]*`
const COLON = `${WS}:${WS}`
const field = (name: string, value: string) => String.raw`"\d{1,2}\. ${name}"${COLON}"(${value})"${WS}`

/** One record as Alpha Vantage writes it, up to the comma or the brace behind it. */
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
 * Reads a body that is regular to the letter: `Meta Data`, then records of five canonical numbers, nothing else.
 * That is nearly every body, and takes a third of the time of JSON.parse, which interns the short strings.
 * Gives null for any other, valid or not, and for dates in another order than newest first; whatever it does read, the general parser reads alike (a property test).
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
  // Dates that do not fall may come twice, which is for the general parser to settle.
  return END.test(text) && series.isFalling ? series.finish(Buffer.byteLength(text)) : null
}

/** What stands before the records, closed and parsed; `end` is where the first record starts. */
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
