import { newYorkTime } from '../../exchanges/calendar.js'

// The trading days of the US market: weekdays without the regular holidays of the NYSE. Single closings (2001-09-11, storms,
// days of mourning) and half days are not known here: synthetic prices need a plausible calendar, not an exact one.

const DAY_MS = 86_400_000
const SUNDAY = 0
const MONDAY = 1
const THURSDAY = 4
const SATURDAY = 6

/** The first day of every synthetic series, on which the provider's own full history starts too. */
export const FIRST_DAY = '1999-11-01'

function utc(year: number, month: number, day: number): Date {
  return new Date(Date.UTC(year, month - 1, day))
}

function isoDate(date: Date): string {
  return date.toISOString().slice(0, 10)
}

function nthWeekday(year: number, month: number, weekday: number, nth: number): Date {
  const first = utc(year, month, 1).getUTCDay()
  return utc(year, month, 1 + ((weekday - first + 7) % 7) + (nth - 1) * 7)
}

function lastMondayOfMay(year: number): Date {
  return utc(year, 5, 31 - ((utc(year, 5, 31).getUTCDay() - MONDAY + 7) % 7))
}

/** Computes Good Friday: Gregorian Easter by the anonymous (Meeus) algorithm, less two days. */
function goodFriday(year: number): Date {
  const a = year % 19
  const b = Math.floor(year / 100)
  const c = year % 100
  const d = Math.floor(b / 4)
  const g = Math.floor((8 * b + 13) / 25)
  const h = (19 * a + b - d - g + 15) % 30
  const l = (32 + 2 * (b % 4) + 2 * Math.floor(c / 4) - h - (c % 4)) % 7
  const m = Math.floor((a + 11 * h + 22 * l) / 451)
  const monthAndDay = h + l - 7 * m + 114
  return utc(year, Math.floor(monthAndDay / 31), (monthAndDay % 31) + 1 - 2)
}

/** Moves a holiday on a Sunday to the Monday, and one on a Saturday to the Friday. */
function observed(date: Date): Date {
  const shift = { [SUNDAY]: 1, [SATURDAY]: -1 }[date.getUTCDay()] ?? 0
  return new Date(date.getTime() + shift * DAY_MS)
}

/** Lists the dates of one year (ISO) on which the market is closed for a holiday. */
export function holidaysOf(year: number): Set<string> {
  const newYear = utc(year, 1, 1)
  return new Set(
    [
      // NYSE rule 7.2: a New Year's Day on a Saturday does not close the last Friday of the old year.
      newYear.getUTCDay() === SATURDAY ? newYear : observed(newYear),
      nthWeekday(year, 1, MONDAY, 3), // Martin Luther King
      nthWeekday(year, 2, MONDAY, 3), // Presidents
      goodFriday(year),
      lastMondayOfMay(year), // Memorial
      ...(year >= 2022 ? [observed(utc(year, 6, 19))] : []), // Juneteenth
      observed(utc(year, 7, 4)), // Independence
      nthWeekday(year, 9, MONDAY, 1), // Labor
      nthWeekday(year, 11, THURSDAY, 4), // Thanksgiving
      observed(utc(year, 12, 25)), // Christmas
    ].map(isoDate),
  )
}

const known: string[] = []
let nextYear = Number(FIRST_DAY.slice(0, 4))

function extendThrough(year: number): void {
  for (; nextYear <= year; nextYear += 1) {
    const holidays = holidaysOf(nextYear)
    const end = Date.UTC(nextYear + 1, 0, 1)
    for (let day = Date.UTC(nextYear, 0, 1); day < end; day += DAY_MS) {
      const date = new Date(day)
      const iso = isoDate(date)
      const weekday = date.getUTCDay()
      if (iso >= FIRST_DAY && weekday !== SUNDAY && weekday !== SATURDAY && !holidays.has(iso))
        known.push(iso)
    }
  }
}

/** Lists the trading days from FIRST_DAY to the end of `year` at least, oldest first. The list is shared: do not change it. */
export function tradingDaysThrough(year: number): readonly string[] {
  extendThrough(year)
  return known
}

/** Counts the trading days from FIRST_DAY to `date` (ISO, inclusive). */
export function countTradingDays(date: string): number {
  const days = tradingDaysThrough(Number(date.slice(0, 4)))
  let low = 0
  let high = days.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((days[middle] ?? '') <= date) low = middle + 1
    else high = middle
  }
  return low
}

const CLOSE_HOUR = 16

/** Tells the ISO date of the newest session that has closed at `now` (16:00 US/Eastern); undefined before the first. */
export function lastCompletedSession(now: Date): string | undefined {
  const { date: today, hour } = newYorkTime(now)
  const count = countTradingDays(today)
  const newest = tradingDaysThrough(Number(today.slice(0, 4)))[count - 1]
  const isOpenOrBefore = newest === today && hour < CLOSE_HOUR
  return isOpenOrBefore ? tradingDaysThrough(0)[count - 2] : newest
}
