import type * as z from 'zod'
import type { Variables } from './programs.js'
import { factsOf, VARIABLE_NAMES, type VariableName } from './variables.js'

/** The environment holds values that a program cannot start with. The message has a line for each, without its value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Whether the environment sets a variable, and not to an empty text. */
export type IsSet = (name: VariableName) => boolean
/** What is wrong with each of some variables: texts that follow the variable's name. */
export type Problems = Partial<Record<VariableName, string>>

export interface ReadOptions {
  /** What is wrong with variables beside one another. */
  rules?: (isSet: IsSet) => Problems
  /** Where a variable was set, for the messages: ' (line 4 of .env)', or '' for the shell. */
  whence?: (name: VariableName) => string
}

/**
 * Parses the variables that a program reads.
 * @param schema one of `PROGRAMS`, in which the program may have given a variable a parser of its own
 * @throws ConfigError that names every wrong variable, with what it takes
 */
export function readVariables<Schema extends z.ZodObject>(
  schema: Schema,
  environment: Variables,
  { rules = () => ({}), whence = () => '' }: ReadOptions = {},
): z.output<Schema> {
  const names = VARIABLE_NAMES.filter((name) => Object.hasOwn(schema.shape, name))
  const isSet: IsSet = (name) => (environment[name] ?? '') !== ''
  const parsed = schema.safeParse(Object.fromEntries(names.map((name) => [name, environment[name]])))
  const ruled = rules(isSet)
  const lines = Object.keys(schema.shape).flatMap((key) => {
    const name = names.find((one) => one === key)
    if (name === undefined) return []
    const issue = parsed.error?.issues.find(({ path }) => path[0] === name)
    const problem = issue === undefined ? ruled[name] : problemOf(name, issue, isSet(name))
    return problem === undefined ? [] : [`${name}${whence(name)} ${problem}.`]
  })
  if (!parsed.success || lines.length > 0) throw new ConfigError(lines.join('\n'))
  return parsed.data
}

/** Says that one of the two ways to give the key is enough. */
export function keyProblems(isSet: IsSet): Problems {
  return isSet('ALPHAVANTAGE_API_KEY') && isSet('ALPHAVANTAGE_API_KEY_FILE')
    ? { ALPHAVANTAGE_API_KEY: 'is set and ALPHAVANTAGE_API_KEY_FILE too: set only one of them' }
    : {}
}

function problemOf(name: VariableName, issue: z.core.$ZodIssue, isSet: boolean): string {
  const { takes = 'is not valid' } = factsOf(name)
  if (!isSet) return `is not set. It ${takes}`
  // A check of our own says more of what is wrong than what the variable takes.
  return issue.code === 'custom' ? issue.message : takes
}
