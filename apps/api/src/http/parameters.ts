import * as z from 'zod'

/** An object whose unknown fields are errors; the message lists the known fields and repeats nothing that was sent. */
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
