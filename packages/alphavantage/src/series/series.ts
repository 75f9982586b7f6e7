import { newestDateOnEarth, oldestDateOnEarth } from '../exchanges/calendar.js'
import { type Exchange, exchangeOf } from '../exchanges/exchange.js'
import { AlphaVantageError } from '../refusals/refusal.js'
import type { Bar } from '@stockpile/domain/bar'
import type { FetchedDaily } from '@stockpile/domain/provider'
import type { RejectedRecord, SessionDates } from './row-check.js'

/** The daily series of one symbol, as its body says it. */
export interface DailySeries extends Omit<FetchedDaily, 'synthetic'> {
  /** The symbol as it was asked for. */
  symbol: string
  /** `3. Last Refreshed` as written, or null when the body has none (CSV never has). */
  lastRefreshed: string | null
  /** `5. Time Zone` as written (`US/Eastern` for exchanges elsewhere too), or null. */
  timeZone: string | null
  /** The rejected records, at most 1,000: those of the newest dates. */
  rejected: RejectedRecord[]
}

/** About the number of calendar days since 1750. A body with more records is no daily series, and would only fill the memory. */
const MAX_RECORDS = 100_000
/** How many rejected records of one body are kept: more tell nothing new, and take long to store. */
const MAX_REJECTED = 1_000

/** A rejected record, whose raw form is made only if the record is kept. */
interface Rejection extends Omit<RejectedRecord, 'raw'> {
  raw: () => unknown
}

/** What a body says about its series, beside the records. */
export interface SeriesHead {
  symbol: string
  lastRefreshed: string | null
  timeZone: string | null
}

/** Collects the records of one body, in the order of the body, which is newest first as a rule. */
export interface SeriesBuilder {
  readonly sessions: SessionDates
  /** Whether each date so far was older than the date before it, so that no date came twice. */
  readonly isFalling: boolean
  /** Takes a sound row. No two may have one date; `settleRepeats` sees to it. */
  accept(row: Bar): void
  reject(record: Rejection): void
  finish(bytes: number): DailySeries
}

export function buildSeries(head: SeriesHead, now: Date): SeriesBuilder {
  const rows: Bar[] = []
  const rejected: Rejection[] = []
  const provisional: Bar[] = []
  const exchange = exchangeOf(head.symbol)
  const provisionalFrom = firstProvisionalDate(head.lastRefreshed, exchange, now)
  let previous = '~'
  let isFalling = true
  let newestSound = ''
  let newestRejected = ''

  function follow(date: string | null): void {
    if (date !== null) {
      if (date >= previous) isFalling = false
      previous = date
    }
    if (rows.length + rejected.length + provisional.length >= MAX_RECORDS) {
      throw new AlphaVantageError('bad_payload', `${head.symbol}: more than ${MAX_RECORDS} records`)
    }
  }

  return {
    sessions: { newest: newestDateOnEarth(now), onWeekends: exchange.tradesOnWeekends },
    get isFalling() {
      return isFalling
    },
    accept(row) {
      follow(row.date)
      if (row.date > newestSound) newestSound = row.date
      if (row.date >= provisionalFrom) provisional.push(row)
      else rows.push(row)
    },
    reject(record) {
      const isFirst = rows.length + rejected.length + provisional.length === 0
      follow(record.date)
      // The first record is the newest as a rule: without a date it counts as the newest.
      const date = record.date ?? (isFirst ? '~' : '')
      if (date > newestRejected) newestRejected = date
      rejected.push(record)
    },
    finish(bytes) {
      if (isFalling) {
        rows.reverse()
        provisional.reverse()
      } else {
        rows.sort(byDate)
        provisional.sort(byDate)
      }
      const kept = newest(rejected, MAX_REJECTED).map((record) => ({ ...record, raw: record.raw() }))
      return {
        ...head,
        rows,
        rejected: kept,
        dropped: rejected.length - kept.length,
        newestRejected: newestRejected > newestSound,
        provisional,
        bytes,
      }
    },
  }
}

const CLOSED = /^\d{4}-\d{2}-\d{2}$/
const WITH_TIME = /^(\d{4}-\d{2}-\d{2})[ T]\d{1,2}:\d{2}/

/**
 * Tells the date from which on bars are provisional: the date that the provider says, within the bounds of the clock. A date
 * that is over everywhere on Earth is final, and a date whose session cannot be over at its exchange is not, whatever the
 * provider says.
 */
function firstProvisionalDate(lastRefreshed: string | null, exchange: Exchange, now: Date): string {
  const overEverywhere = oldestDateOnEarth(now)
  const said = saidProvisionalDate(lastRefreshed) ?? overEverywhere
  const notOver = behind(exchange.newestOver(now))
  const from = said > overEverywhere ? said : overEverywhere
  return from < notOver ? from : notOver
}

/**
 * Reads from `3. Last Refreshed` the date from which on bars are provisional. A time of day means that the session of its date
 * is open, a bare date that the session is closed. Bars of later dates are provisional in both cases. Null when the text is
 * neither.
 */
function saidProvisionalDate(lastRefreshed: string | null): string | null {
  if (lastRefreshed !== null && CLOSED.test(lastRefreshed)) return behind(lastRefreshed)
  return WITH_TIME.exec(lastRefreshed ?? '')?.[1] ?? null
}

/** A text that sorts behind a date and before the next date. */
function behind(date: string): string {
  return `${date}~`
}

/** The records of the newest dates, at most `most`; all of them stay in the order of the body. */
function newest(records: readonly Rejection[], most: number): readonly Rejection[] {
  if (records.length <= most) return records
  return records.toSorted((a, b) => ((a.date ?? '') > (b.date ?? '') ? -1 : 1)).slice(0, most)
}

function byDate(a: Bar, b: Bar): number {
  return a.date < b.date ? -1 : 1
}
