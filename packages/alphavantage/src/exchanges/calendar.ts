// Dates without a time are ISO strings (YYYY-MM-DD), which compare as text.

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
const HOUR_MS = 3_600_000
const DASH = 45
const ZERO = 48

/** Whether the text is a date that exists in the Gregorian calendar, from year 1 to 9999. */
export function isCalendarDate(text: string): boolean {
  if (text.length !== 10 || text.charCodeAt(4) !== DASH || text.charCodeAt(7) !== DASH) return false
  const year = numberAt(text, 0) * 100 + numberAt(text, 2)
  const month = numberAt(text, 5)
  const day = numberAt(text, 8)
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return year >= 1 && day >= 1 && day <= (DAYS[month - 1] ?? 0) + (leap ? 1 : 0)
}

/** Reads the two digits that start at `at`; NaN, which fails every comparison, when they are none. Runs for every row, so it goes by character codes. */
function numberAt(text: string, at: number): number {
  const tens = text.charCodeAt(at) - ZERO
  const ones = text.charCodeAt(at + 1) - ZERO
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN
}

/** The newest date that some place on Earth has at an instant (UTC+14): later dates are in the future everywhere. */
export function newestDateOnEarth(now: Date): string {
  return dateAtOffset(now, 14)
}

/** The oldest date that some place on Earth has at an instant (UTC-12): earlier dates are over everywhere. */
export function oldestDateOnEarth(now: Date): string {
  return dateAtOffset(now, -12)
}

/** The date at an instant in a place whose clocks are so many hours ahead of UTC. */
export function dateAtOffset(now: Date, hours: number): string {
  return new Date(now.getTime() + hours * HOUR_MS).toISOString().slice(0, 10)
}

export function previousDate(date: string): string {
  return dateAtOffset(new Date(date), -24)
}

/** Whether a calendar date, from the year 100 on, is a Saturday or a Sunday. Runs for every row, so it goes by the digits. */
export function isWeekend(date: string): boolean {
  const year = numberAt(date, 0) * 100 + numberAt(date, 2)
  const days = Date.UTC(year, numberAt(date, 5) - 1, numberAt(date, 8)) / (24 * HOUR_MS)
  // 1970-01-01 was a Thursday. The remainder of an earlier day is negative, so 7 is added.
  const weekday = (((days + 3) % 7) + 7) % 7
  return weekday > 4
}

const newYorkClock = new Intl.DateTimeFormat('en-CA', {
  timeZone: 'America/New_York',
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  hourCycle: 'h23',
})

/** The date and the hour (0 to 23) in New York at an instant. */
export function newYorkTime(now: Date): { date: string; hour: number } {
  const parts = new Map(newYorkClock.formatToParts(now).map(({ type, value }) => [type, value]))
  return {
    date: `${parts.get('year')}-${parts.get('month')}-${parts.get('day')}`,
    hour: Number(parts.get('hour')),
  }
}
