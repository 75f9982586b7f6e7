import * as z from 'zod'

/** Whether the text is a calendar day as YYYY-MM-DD, in the years that JavaScript and PostgreSQL both know: 0001 to 9999. */
export function isCalendarDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text) || text.startsWith('0000')) return false
  const date = new Date(`${text}T00:00:00Z`)
  // JavaScript reads the 30th of February as the 1st or 2nd of March.
  return date.getUTCDate() === Number(text.slice(-2))
}

const MESSAGE = 'A date is a day of the calendar as YYYY-MM-DD, from 0001-01-01 to 9999-12-31.'

/** A day in a query, e.g. 2023-01-31. */
export const dateSchema = dateOf(MESSAGE)

/** A day that a query must have; the message for a missing one says so. */
export function requiredDate(name: string) {
  return dateOf((issue) => (issue.input === undefined ? `${name} is required. ${MESSAGE}` : MESSAGE))
}

function dateOf(error: string | ((issue: { input?: unknown }) => string)) {
  return z
    .string({ error })
    .refine(isCalendarDate, MESSAGE)
    .meta({ format: 'date', examples: ['2023-01-31'] })
}

/** A refinement of a query: whether its range is in order, as a range with an open end is. ISO dates sort as text. */
export function isOrdered(range: {
  start_date?: string | undefined
  end_date?: string | undefined
}): boolean {
  return range.start_date === undefined || range.end_date === undefined || range.start_date <= range.end_date
}

export const UNORDERED = { path: ['start_date'], error: 'start_date is after end_date.' }
