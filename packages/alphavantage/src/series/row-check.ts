import { BAR_VALUES, byBarField } from '@stockpile/domain/bar'
import type { Bar, BarField, BarValue, RejectedRow } from '@stockpile/domain/bar'
import { isCalendarDate, isWeekend } from '../exchanges/calendar.js'
import { compareDecimals, isZero, PRICE_SOURCE, VOLUME_SOURCE } from './decimal.js'

/**
 * Why a row is not stored. The codes are stable: they are kept in the database.
 * A price of zero is refused because nothing trades at zero: Alpha Vantage was seen to write 0 for a value that it
 * does not have, and one such close breaks every return and average computed over it.
 */
export type RejectReason =
  | 'not_a_date'
  | 'before_1900'
  | 'future_date'
  | 'weekend_date'
  | 'not_a_record'
  | `missing_${BarField}`
  | 'repeated_field'
  | 'repeated_date'
  | 'conflicting_date'
  | 'not_text'
  | 'not_a_number'
  | 'negative'
  | 'zero_price'
  | 'price_out_of_range'
  | 'volume_out_of_range'
  | 'high_below_low'
  | 'open_outside_range'
  | 'close_outside_range'

/** A record that is no sound row. Its `raw` is `{[date]: fields}` from a body of JSON, and the line from CSV. */
export type RejectedRecord = RejectedRow<RejectReason>

/** The dates of which there can be bars. */
export interface SessionDates {
  /** The newest date that is not in the future everywhere on Earth. */
  newest: string
  /** Whether the exchange may trade on Saturdays or Sundays. */
  onWeekends: boolean
}

/** The fields of a record by name, of any type, since they come from a body; a missing field is undefined. */
export type RawFields = Partial<Record<BarField, unknown>>

const NO_VALUES = byBarField(() => '')
const PRICE = new RegExp(`^${PRICE_SOURCE}$`)
const VOLUME = new RegExp(`^${VOLUME_SOURCE}$`)
const DECIMAL = /^(?:0|[1-9]\d*)(?:\.\d+)?$/
const NEGATIVE = /^-\d+(?:\.\d+)?$/

/**
 * Checks one record of which nothing is known yet. It is written by hand, since it runs for thousands of rows a body, where a
 * schema library takes most of the time.
 * @returns the row, or every reason against it
 */
export function checkRecord(date: string, fields: RawFields, sessions: SessionDates): Bar | RejectReason[] {
  const reasons = new Set<RejectReason>()
  const row = { date, ...NO_VALUES }
  for (const { field, kind } of BAR_VALUES) {
    const value = fields[field]
    if (value === undefined || value === null || value === '') reasons.add(`missing_${field}`)
    // A JSON number was parsed into a float, so that the provider's digits are lost.
    else if (typeof value !== 'string') reasons.add('not_text')
    else {
      row[field] = value
      const reason = reasonAgainst(value, kind)
      if (reason !== null) reasons.add(reason)
    }
  }
  if (reasons.size === 0) {
    const found = checkValues(row, sessions)
    return found.length === 0 ? row : found
  }
  for (const reason of checkDate(date, sessions)) reasons.add(reason)
  return [...reasons]
}

/** Lists all reasons against a row whose prices and volume are known to be canonical decimals. */
export function checkValues(row: Bar, sessions: SessionDates): RejectReason[] {
  const { open, high, low, close } = row
  const reasons = checkDate(row.date, sessions)
  if (isZero(open) || isZero(high) || isZero(low) || isZero(close)) reasons.push('zero_price')
  const openOutside = compareDecimals(open, low) < 0 || compareDecimals(high, open) < 0
  const closeOutside = compareDecimals(close, low) < 0 || compareDecimals(high, close) < 0
  // Nothing lies within an empty range: one reason says more than two more about open and close.
  if ((openOutside || closeOutside) && compareDecimals(high, low) < 0) reasons.push('high_below_low')
  else {
    if (openOutside) reasons.push('open_outside_range')
    if (closeOutside) reasons.push('close_outside_range')
  }
  return reasons
}

/** The first date that is accepted. No daily series reaches further back, but the day zero of spreadsheets is 1899-12-30. */
const FIRST_DATE = '1900-01-01'

function checkDate(date: string, { newest, onWeekends }: SessionDates): RejectReason[] {
  if (!isCalendarDate(date)) return ['not_a_date']
  if (date < FIRST_DATE) return ['before_1900']
  if (date > newest) return ['future_date']
  return onWeekends || !isWeekend(date) ? [] : ['weekend_date']
}

function reasonAgainst(value: string, kind: BarValue['kind']): RejectReason | null {
  if ((kind === 'price' ? PRICE : VOLUME).test(value)) return null
  if (NEGATIVE.test(value)) return 'negative'
  return DECIMAL.test(value) ? `${kind}_out_of_range` : 'not_a_number'
}
