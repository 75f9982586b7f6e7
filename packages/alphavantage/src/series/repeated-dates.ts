import { isCalendarDate } from '../exchanges/calendar.js'
import { shortest } from './decimal.js'
import { BAR_FIELDS } from '@stockpile/domain/bar'
import type { Bar } from '@stockpile/domain/bar'
import type { RejectReason } from './row-check.js'

/** One record of a body: the row that it is, or what is wrong with it. */
export interface CheckedRecord {
  /** As it stands there. */
  date: string
  /** The record as received, fit for jsonb; made only for the few that are rejected. */
  raw: () => unknown
  checked: Bar | RejectReason[]
}

/**
 * Settles which of the records of one date counts. Where they agree, the first does and the others are rejected as
 * `repeated_date`; where they differ, nobody can say which is right: all are rejected as `conflicting_date`.
 * @returns the same records in the same order, no two rows of one date among them
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

/** What would be stored, by its value: adjusted series may differ in what is not. Of what is no row, all of it. */
function valuesOf({ checked, raw }: CheckedRecord): string {
  if (!('close' in checked)) return JSON.stringify(raw())
  return BAR_FIELDS.map((field) => shortest(checked[field])).join()
}
