import { resolve } from 'node:path'
import { given, sound } from '@stockpile/config/fields'
import { PROGRAMS, type Variables } from '@stockpile/config/programs'
import {
  type IsSet,
  keyProblems,
  type Problems,
  type ReadOptions,
  readVariables,
} from '@stockpile/config/read'
import type { LogLevel } from '@stockpile/config/variables'
import { databaseUrlProblem, namesDatabase, withPassword } from '@stockpile/db/database-url'
import type { Plan } from '@stockpile/domain/plan'

const FREE_KEY = 'https://www.alphavantage.co/support/#api-key'

const schema = PROGRAMS['npm start'].extend({
  DATABASE_URL: given(
    sound(
      (text) =>
        databaseUrlProblem(text) ??
        (namesDatabase(text) ? undefined : 'must name the database after the last slash'),
    ).optional(),
  ),
})

export interface Config {
  /** The folder of the embedded database and the logs, as an absolute path. */
  home: string
  /** The URL of the database, with the password; undefined: the embedded server. */
  databaseUrl: string | undefined
  /** The port of the embedded server; undefined: that of the last start, or a free one. */
  postgresPort: number | undefined
  redisUrl: string | undefined
  queuePrefix: string | undefined
  /** The address that the API listens on. */
  host: string
  /** The port of the API; 0: any free one. */
  port: number
  /** Whether prices come from the simulator, since there is no key. */
  simulated: boolean
  /** The absolute path of the file with the key. */
  apiKeyFile: string | undefined
  /** Undefined: Alpha Vantage's. */
  baseUrl: string | undefined
  plan: Plan
  /** Requests that override the plan's limits; 0: no limit; undefined: the plan's. */
  requestsPer: Record<'second' | 'minute' | 'day', number | undefined>
  symbols: string[]
  logLevel: LogLevel
}

/**
 * @param projectRoot the absolute path of the folder in which `.stockpile` is the default of STOCKPILE_HOME
 * @param whence where a variable was set, for the messages: ' (line 4 of .env)', or '' for the shell
 * @throws ConfigError that names every wrong variable, with what it takes
 */
export function parseConfig(
  environment: Variables,
  projectRoot: string,
  whence: ReadOptions['whence'] = () => '',
): Readonly<Config> {
  const variables = readVariables(schema, environment, { rules, whence })
  const isSet: IsSet = (name) => (environment[name] ?? '') !== ''
  return {
    home: resolve(isSet('STOCKPILE_HOME') ? '' : projectRoot, variables.STOCKPILE_HOME),
    databaseUrl:
      variables.DATABASE_URL === undefined || variables.DATABASE_PASSWORD === undefined
        ? variables.DATABASE_URL
        : withPassword(variables.DATABASE_URL, variables.DATABASE_PASSWORD),
    postgresPort: variables.POSTGRES_PORT,
    redisUrl: variables.REDIS_URL,
    queuePrefix: variables.QUEUE_PREFIX,
    host: variables.HOST,
    port: variables.PORT,
    simulated:
      variables.ALPHAVANTAGE_API_KEY === undefined && variables.ALPHAVANTAGE_API_KEY_FILE === undefined,
    apiKeyFile:
      variables.ALPHAVANTAGE_API_KEY_FILE === undefined
        ? undefined
        : resolve(variables.ALPHAVANTAGE_API_KEY_FILE),
    baseUrl: isSet('ALPHAVANTAGE_BASE_URL') ? variables.ALPHAVANTAGE_BASE_URL : undefined,
    plan: variables.ALPHAVANTAGE_PLAN,
    requestsPer: {
      second: variables.ALPHAVANTAGE_REQUESTS_PER_SECOND,
      minute: variables.ALPHAVANTAGE_REQUESTS_PER_MINUTE,
      day: variables.ALPHAVANTAGE_REQUESTS_PER_DAY,
    },
    symbols: variables.SYMBOLS,
    logLevel: variables.LOG_LEVEL,
  }
}

function rules(isSet: IsSet): Problems {
  const problems = keyProblems(isSet)
  const hasKey = isSet('ALPHAVANTAGE_API_KEY') || isSet('ALPHAVANTAGE_API_KEY_FILE')
  if (isSet('ALPHAVANTAGE_BASE_URL') && !hasKey)
    problems.ALPHAVANTAGE_BASE_URL = `is set without a key: set ALPHAVANTAGE_API_KEY too (a free one: ${FREE_KEY}), or unset it to use the simulator`
  return problems
}
