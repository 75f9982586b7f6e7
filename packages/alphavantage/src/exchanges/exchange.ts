import { dateAtOffset, newYorkTime, previousDate } from './calendar.js'

/** What a symbol tells of the exchange that its bars are from. */
export interface Exchange {
  /** Whether a bar of a Saturday or a Sunday can be a session's. */
  readonly tradesOnWeekends: boolean
  /** The newest date whose session can be over at this instant: a bar of a later one cannot be final. */
  newestOver(now: Date): string
}

/** New York: the regular session ends at 16:00, and on half days at 13:00, which counts from 16:00 as well. */
const UNITED_STATES: Exchange = {
  tradesOnWeekends: false,
  newestOver(now) {
    const { date, hour } = newYorkTime(now)
    return hour >= 16 ? date : previousDate(date)
  },
}

/**
 * Anywhere else, where the suffix's time zone is not known here: the first of the provider's markets to close is Tokyo, at
 * 15:00 (06:00 UTC). Tel Aviv trades on Sundays, and some exchanges have held sessions on a Saturday.
 */
const ELSEWHERE: Exchange = {
  tradesOnWeekends: true,
  newestOver: (now) => dateAtOffset(now, -6),
}

/** `.LON`, `.SHH`, `.BSE` … One letter behind a dot is a class of a US share: `BRK.B`. */
const SUFFIX = /\.[A-Z]{2,}$/i

export function exchangeOf(symbol: string): Exchange {
  return SUFFIX.test(symbol.trim()) ? ELSEWHERE : UNITED_STATES
}
