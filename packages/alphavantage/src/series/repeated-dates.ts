import { isCalendarDate } from '../exchanges/calendar.js'
import { shortest } from './decimal.js'
import { BAR_FIELDS } from '@stockpile/domain/bar'
import type { Bar } from '@stockpile/domain/bar'
import type { RejectReason } from './row-check.js'

/** One record of a body: a sound row, or the reasons against it. */
export interface CheckedRecord {
  /** The record's key in the body, whether it is a real date or not. */
  date: string
  /** Makes the record as received, fit for jsonb; called only for the few records that are rejected. */
  raw: () => unknown
  checked: Bar | RejectReason[]
}

/**
 * Settles which of several records of one date counts. Where they have the same values, the first counts and the others are
 * rejected as `repeated_date`. Where they differ, nobody can say which is right, and all are rejected as `conflicting_date`.
 * @returns all records in their order, of which no two are rows of one date
 */
export function settleRepeats(records: readonly CheckedRecord[]): CheckedRecord[] {
  const ofDate = new Map<string, CheckedRecord[]>()
  for (const record of records) {
    const same = ofDate.get(record.date)
    if (same === undefined) ofDate.set(record.date, [record])
    else same.push(record)
  }
  if (ofDate.size === records.length) return [...records]
  return records.map((record) => {
    const same = ofDate.get(record.date) ?? []
    if (same.length === 1 || !isCalendarDate(record.date)) return record
    const agree = new Set(same.map(valuesOf)).size === 1
    if (agree && record === same[0]) return record
    const own = 'close' in record.checked ? [] : record.checked
    return { ...record, checked: [...own, agree ? 'repeated_date' : 'conflicting_date'] }
  })
}

/** The values that would be stored, as one text; fields of adjusted series that are not stored may differ. Of a rejected record all of it. */
function valuesOf({ checked, raw }: CheckedRecord): string {
  if (!('close' in checked)) return JSON.stringify(raw())
  return BAR_FIELDS.map((field) => shortest(checked[field])).join()
}
