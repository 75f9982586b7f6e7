import * as z from 'zod'

/** Lets an empty text count as unset: compose files and shells write an unset variable as an empty one. */
export function given<Schema extends z.ZodType>(schema: Schema) {
  return z.preprocess((value) => (value === '' ? undefined : value), schema)
}

/**
 * A text that passes a check.
 * @param problemOf what is wrong with a text, in words that follow the variable's name and do not repeat the text; undefined
 *   when nothing is
 */
export function sound(problemOf: (text: string) => string | undefined) {
  return z.string().superRefine((text, context) => {
    const problem = problemOf(text)
    if (problem !== undefined) context.addIssue(problem)
  })
}
