import * as z from 'zod'

/** ISO 8601 in UTC with milliseconds, as every instant in an answer. */
export const instantSchema = z.string().meta({ format: 'date-time' })
