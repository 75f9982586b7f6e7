import * as z from 'zod'

/** An instant in an answer: ISO 8601 in UTC with milliseconds. */
export const instantSchema = z.string().meta({ format: 'date-time' })

/** Room for nanoseconds and a zone. */
const MAX_INSTANT_LENGTH = 35
const INSTANT_MESSAGE =
  'An instant is written as ISO 8601 with seconds and a zone, e.g. 2026-11-22T09:30:00Z.'

/** An instant in a query, e.g. 2026-11-22T09:30:00Z; a client has to write the + of a zone as %2B. */
export const instantParameter = z.iso
  .datetime({ offset: true, error: INSTANT_MESSAGE })
  .max(MAX_INSTANT_LENGTH, INSTANT_MESSAGE)
  .refine((text) => !text.startsWith('0000') && !Number.isNaN(Date.parse(text)), INSTANT_MESSAGE)
  // PostgreSQL takes no zone of 16 hours or more from UTC.
  .refine((text) => !/[+-](?:1[6-9]|2\d):\d\d$/.test(text), INSTANT_MESSAGE)
  .meta({ format: 'date-time', examples: ['2026-11-22T09:30:00Z'] })
