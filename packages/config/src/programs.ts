import { ENVIRONMENT, VARIABLE_NAMES, type VariableName } from './variables.js'

/** The variables that each program reads, in the order of its messages. */
export const PROGRAMS = {
  api: ENVIRONMENT.pick({
    DATABASE_URL: true,
    DATABASE_PASSWORD: true,
    REDIS_URL: true,
    QUEUE_PREFIX: true,
    HOST: true,
    PORT: true,
    LOG_LEVEL: true,
    LOG_FORMAT: true,
  }),
  worker: ENVIRONMENT.pick({
    DATABASE_URL: true,
    DATABASE_PASSWORD: true,
    REDIS_URL: true,
    QUEUE_PREFIX: true,
    ALPHAVANTAGE_API_KEY: true,
    ALPHAVANTAGE_API_KEY_FILE: true,
    HEARTBEAT_FILE: true,
    ALPHAVANTAGE_BASE_URL: true,
    ALPHAVANTAGE_PLAN: true,
    ALPHAVANTAGE_REQUESTS_PER_SECOND: true,
    ALPHAVANTAGE_REQUESTS_PER_MINUTE: true,
    ALPHAVANTAGE_REQUESTS_PER_DAY: true,
    WORKER_CONCURRENCY: true,
    RUN_RETENTION_DAYS: true,
    SYMBOLS: true,
    HTTP_PROXY: true,
    HTTPS_PROXY: true,
    NO_PROXY: true,
    LOG_LEVEL: true,
    LOG_FORMAT: true,
  }),
  migrate: ENVIRONMENT.pick({
    DATABASE_URL: true,
    DATABASE_PASSWORD: true,
    API_DATABASE_PASSWORD: true,
    WORKER_DATABASE_PASSWORD: true,
    LOG_FORMAT: true,
  }),
  'npm start': ENVIRONMENT.pick({
    STOCKPILE_HOME: true,
    DATABASE_URL: true,
    DATABASE_PASSWORD: true,
    REDIS_URL: true,
    QUEUE_PREFIX: true,
    HOST: true,
    PORT: true,
    POSTGRES_PORT: true,
    ALPHAVANTAGE_API_KEY: true,
    ALPHAVANTAGE_API_KEY_FILE: true,
    ALPHAVANTAGE_BASE_URL: true,
    ALPHAVANTAGE_PLAN: true,
    ALPHAVANTAGE_REQUESTS_PER_SECOND: true,
    ALPHAVANTAGE_REQUESTS_PER_MINUTE: true,
    ALPHAVANTAGE_REQUESTS_PER_DAY: true,
    WORKER_CONCURRENCY: true,
    RUN_RETENTION_DAYS: true,
    SYMBOLS: true,
    LOG_LEVEL: true,
  }),
}

export type Program = keyof typeof PROGRAMS
export type Variables = Record<string, string | undefined>

/** The names of the variables that a program reads. */
export function variablesOf(program: Program): readonly VariableName[] {
  return VARIABLE_NAMES.filter((name) => Object.hasOwn(PROGRAMS[program].shape, name))
}

/**
 * The environment of a program that another one starts: the variables that the program reads, and no other.
 * @param replaced values in place of those of `environment`; undefined unsets a variable
 */
export function handedOn(
  program: Program,
  environment: Variables,
  replaced: Partial<Record<VariableName, string | undefined>>,
): Variables {
  const given: Variables = { ...environment, ...replaced }
  return Object.fromEntries(variablesOf(program).map((name) => [name, given[name]]))
}
