import { dateAtOffset, newYorkTime, previousDate } from './calendar.js'

/** What is known of an exchange by the symbols of its shares. */
export interface Exchange {
  /** Whether there can be sessions on Saturdays or Sundays. */
  readonly tradesOnWeekends: boolean
  /** The newest date whose session can be over at an instant: bars of later dates cannot be final. */
  newestOver(now: Date): string
}

/** New York. The regular session ends at 16:00. On half days it ends at 13:00, but counts as over from 16:00 on as well. */
const UNITED_STATES: Exchange = {
  tradesOnWeekends: false,
  newestOver(now) {
    const { date, hour } = newYorkTime(now)
    return hour >= 16 ? date : previousDate(date)
  },
}

/**
 * Every other exchange, since time zones of suffixes are not known here. Tokyo is the first of the provider's markets to close,
 * at 15:00 (06:00 UTC). Tel Aviv trades on Sundays, and some exchanges have held sessions on a Saturday.
 */
const ELSEWHERE: Exchange = {
  tradesOnWeekends: true,
  newestOver: (now) => dateAtOffset(now, -6),
}

/** The suffix of an exchange: `.LON`, `.SHH`, `.BSE`. One letter behind a dot is a class of a US share: `BRK.B`. */
const SUFFIX = /\.[A-Z]{2,}$/i

/** Tells the exchange of a symbol by its suffix; a symbol without one is of New York. */
export function exchangeOf(symbol: string): Exchange {
  return SUFFIX.test(symbol.trim()) ? ELSEWHERE : UNITED_STATES
}
