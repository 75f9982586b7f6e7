import * as z from 'zod'

/** Whether the text is a day of the calendar as ISO 8601 writes it, in the years that both ends know: 0001 to 9999. */
export function isCalendarDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const [year, month, day] = [Number(text.slice(0, 4)), Number(text.slice(5, 7)), Number(text.slice(8))]
  return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysOf(year, month)
}

/** By the Gregorian calendar. Date would do, in ten times as long: two are looked at for each request. */
function daysOf(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

const MESSAGE = 'A date is a day of the calendar as YYYY-MM-DD, from 0001-01-01 to 9999-12-31.'

/** A day, e.g. 2023-01-31. */
export const dateSchema = z
  .string({ error: MESSAGE })
  .refine(isCalendarDate, MESSAGE)
  .meta({ format: 'date', examples: ['2023-01-31'] })

/** For refining a query: what is absent is in order. ISO dates sort as text. */
export function isOrdered(range: {
  start_date?: string | undefined
  end_date?: string | undefined
}): boolean {
  return range.start_date === undefined || range.end_date === undefined || range.start_date <= range.end_date
}

export const UNORDERED = { path: ['start_date'], error: 'start_date is after end_date.' }
