import * as z from 'zod'
import { isRecord } from '../text/json.js'
import type { Redact } from '../text/redact.js'
import { DISPOSITIONS } from '../refusals/dispositions.js'
import { AlphaVantageError } from '../refusals/refusal.js'
import { classifyRefusal } from '../refusals/wording.js'
import type { SeriesHead } from './series.js'
import { storableText } from '../text/storable.js'

/** The key of the daily series, raw and adjusted alike. */
export const SERIES_KEY = 'Time Series (Daily)'

/** `Meta Data` without the numbers in its keys, which differ between the functions of the provider. */
const MetaData = z.object({
  Symbol: z.string(),
  'Last Refreshed': z.string().max(64).nullable().catch(null),
  'Time Zone': z.string().max(64).nullable().catch(null),
})

/**
 * Does nothing for a body that is no refusal.
 * @param body the parsed `text`
 * @throws AlphaVantageError of the refusal's class
 */
export function refuseRefusal(body: unknown, text: string, symbol: string): void {
  const refusal = classifyRefusal(body)
  if (refusal === null) return
  const message = `${symbol}: ${DISPOSITIONS[refusal.class].meaning}`
  throw new AlphaVantageError(refusal.class, message, { evidence: text })
}

/**
 * Reads `Meta Data`.
 * @throws AlphaVantageError `bad_payload` when it is missing, `wrong_symbol` when it names another symbol
 */
export function readHead(
  body: Record<string, unknown>,
  text: string,
  symbol: string,
  redact: Redact,
): SeriesHead {
  const metaData = body['Meta Data']
  const named = isRecord(metaData)
    ? Object.fromEntries(Object.entries(metaData).map(([key, value]) => [nameOf(key), value]))
    : metaData
  const parsed = MetaData.safeParse(named)
  if (!parsed.success || parsed.data.Symbol.trim() === '')
    throw badPayload(symbol, 'the body does not say whose data it holds', text)
  const { Symbol: given, 'Last Refreshed': lastRefreshed, 'Time Zone': timeZone } = parsed.data
  if (given.trim().toUpperCase() !== symbol.trim().toUpperCase()) {
    const what = `${symbol}: the answer holds the data of ${nameable(given, redact)}`
    throw new AlphaVantageError('wrong_symbol', `${what}. ${DISPOSITIONS.wrong_symbol.meaning}`, {
      evidence: text,
    })
  }
  return {
    symbol,
    lastRefreshed: lastRefreshed === null ? null : storableText(lastRefreshed),
    timeZone: timeZone === null ? null : storableText(timeZone),
  }
}

const MAX_SYMBOL = 32

/** Makes the text in the place of a symbol fit for a sentence. It is redacted before it is cut, since a cut through a key leaves a part. */
function nameable(given: string, redact: Redact): string {
  const name = redact(given)
    .replaceAll(/[^\x20-\x7E]/g, '?')
    .trim()
  return name.length > MAX_SYMBOL ? `${name.slice(0, MAX_SYMBOL)}…` : name
}

const NUMBER = /^\d+\. /

/** Takes the number off a key: `1. open` → `open`. Fields are read by name, since adjusted series number them differently. */
export function nameOf(key: string): string {
  const number = NUMBER.exec(key)
  return number === null ? key : key.slice(number[0].length)
}

export function badPayload(symbol: string, what: string, text: string): AlphaVantageError {
  return new AlphaVantageError('bad_payload', `${symbol}: ${what}`, { evidence: text })
}

export function noData(symbol: string, text: string): AlphaVantageError {
  return new AlphaVantageError('no_data', `${symbol}: ${DISPOSITIONS.no_data.meaning}`, { evidence: text })
}
