import { newestDateOnEarth, oldestDateOnEarth } from '../exchanges/calendar.js'
import { type Exchange, exchangeOf } from '../exchanges/exchange.js'
import { AlphaVantageError } from '../refusals/refusal.js'
import type { Bar } from '@stockpile/domain/bar'
import type { RejectedRecord, SessionDates } from './row-check.js'

/** The daily series of one symbol. Every record of the body is in exactly one of the three lists, or one of the dropped. */
export interface DailySeries {
  /** As it was asked for. */
  symbol: string
  /** `3. Last Refreshed` as written, or null when the body has none (CSV never has). */
  lastRefreshed: string | null
  /** `5. Time Zone` as written (`US/Eastern` for exchanges elsewhere too), or null. */
  timeZone: string | null
  /** The sound rows, oldest first. No two have the same date. */
  rows: Bar[]
  /** At most 1,000, those of the newest dates. */
  rejected: RejectedRecord[]
  /** How many more were rejected. */
  dropped: number
  /** Whether the newest record was: then the rows are not all there is. */
  newestRejected: boolean
  /** Sound bars of a session that may still be open: not to be stored. */
  provisional: Bar[]
  /** Size of the decoded body. */
  bytes: number
}

/** Every calendar day since 1750: a body with more records is no daily series, and would only fill the memory. */
const MAX_RECORDS = 100_000
/** More of one body tell nobody anything new, and take long to store. */
const MAX_REJECTED = 1_000

/** A rejected record of which the raw form is made only if it is kept. */
interface Rejection extends Omit<RejectedRecord, 'raw'> {
  raw: () => unknown
}

/** What a body says about itself, beside its records. */
export interface SeriesHead {
  symbol: string
  lastRefreshed: string | null
  timeZone: string | null
}

/** Collects the records of one body in the order in which they come, newest first as a rule. */
export interface SeriesBuilder {
  readonly sessions: SessionDates
  /** Whether each date so far was older than the one before it, as they are as a rule: then none came twice. */
  readonly isFalling: boolean
  /** No two with the same date: see `settleRepeats`. */
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
      // What comes first is the newest as a rule, and without a date nobody can say that it is not.
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
 * The date from which on a bar is provisional: what the provider says, within what the clock says. A date that is over
 * everywhere on Earth is final, and one whose session cannot be over at its exchange is not, whatever the provider says.
 */
function firstProvisionalDate(lastRefreshed: string | null, exchange: Exchange, now: Date): string {
  const overEverywhere = oldestDateOnEarth(now)
  const said = saidProvisionalDate(lastRefreshed) ?? overEverywhere
  const notOver = behind(exchange.newestOver(now))
  const from = said > overEverywhere ? said : overEverywhere
  return from < notOver ? from : notOver
}

/**
 * `3. Last Refreshed` with a time of day means that the session of its date is open, a bare date that it is closed; of
 * sessions after that date it says nothing, so their bars are provisional either way. Null when neither can be read.
 */
function saidProvisionalDate(lastRefreshed: string | null): string | null {
  if (lastRefreshed !== null && CLOSED.test(lastRefreshed)) return behind(lastRefreshed)
  return WITH_TIME.exec(lastRefreshed ?? '')?.[1] ?? null
}

/** Sorts behind the date itself and before the next one. */
function behind(date: string): string {
  return `${date}~`
}

/** So many at most, in the order of the body if that is all of them. */
function newest(records: readonly Rejection[], most: number): readonly Rejection[] {
  if (records.length <= most) return records
  return records.toSorted((a, b) => ((a.date ?? '') > (b.date ?? '') ? -1 : 1)).slice(0, most)
}

function byDate(a: Bar, b: Bar): number {
  return a.date < b.date ? -1 : 1
}
