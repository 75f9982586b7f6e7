import * as z from 'zod'

/** A variable of which an empty text counts as unset, since compose files and shells write an unset variable so. */
export function given<Schema extends z.ZodType>(schema: Schema) {
  return z.preprocess((value) => (value === '' ? undefined : value), schema)
}

/** @param problemOf what is wrong with a text, to follow the variable's name, without repeating the text; undefined for nothing */
export function sound(problemOf: (text: string) => string | undefined) {
  return z.string().superRefine((text, context) => {
    const problem = problemOf(text)
    if (problem !== undefined) context.addIssue(problem)
  })
}
