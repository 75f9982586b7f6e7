import * as z from 'zod'

/** An object whose unknown fields are errors; the message lists the known ones instead of what was sent. */
export function strict<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape).join(', ')
  const error =
    known === '' ? 'This address takes no parameters.' : `There is an unknown field. Known are: ${known}.`
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? error : undefined),
  })
}

/** A whole number in plain decimal digits: no sign, point, exponent, space or leading zero. */
export function wholeNumber(minimum: number, maximum: number) {
  const error = `This takes one whole number from ${minimum} to ${maximum}, in digits.`
  return z.preprocess(
    (value) => (typeof value === 'string' && /^[1-9]\d{0,15}$/.test(value) ? Number(value) : value),
    z.int({ error }).min(minimum, { error }).max(maximum, { error }),
  )
}

const YES_OR_NO = 'This takes true or false.'

export const yesOrNo = z.preprocess(
  (value) => (value === 'true' ? true : value === 'false' ? false : value),
  z.boolean({ error: YES_OR_NO }),
)

export const runIdSchema = z
  .uuid({ error: 'A run id is a UUID.' })
  .meta({ description: 'The id of a run.', examples: ['01985fd0-7c1a-7b3e-9d52-3f2f8f1f6a10'] })

/** Nanoseconds and a zone. */
const MAX_INSTANT_LENGTH = 35
const INSTANT_MESSAGE =
  'An instant is written as ISO 8601 with seconds and a zone, e.g. 2026-11-22T09:30:00Z.'

/** An instant, e.g. 2026-11-22T09:30:00Z; + in an address has to be written %2B. */
export const instantParameter = z.iso
  .datetime({ offset: true, error: INSTANT_MESSAGE })
  .max(MAX_INSTANT_LENGTH, INSTANT_MESSAGE)
  .refine((text) => !text.startsWith('0000') && !Number.isNaN(Date.parse(text)), INSTANT_MESSAGE)
  // PostgreSQL takes none further from UTC.
  .refine((text) => !/[+-](?:1[6-9]|2\d):\d\d$/.test(text), INSTANT_MESSAGE)
  .meta({ format: 'date-time', examples: ['2026-11-22T09:30:00Z'] })
