import { resolve } from 'node:path'
import { PLANS } from '@stockpile/alphavantage/plan'
import { databaseUrlProblem, namesDatabase, withPassword } from '@stockpile/db/database-url'
import { isSymbol, splitSymbols } from '@stockpile/db/symbol'
import { urlProblem } from '@stockpile/db/url'
import * as z from 'zod'

/** Shells and `--env` files write an unset variable as an empty one. */
const given = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (value === '' ? undefined : value), schema)
const sound = (problemOf: (value: string) => string | undefined) =>
  given(
    z
      .string()
      .superRefine((value, context) => {
        const problem = problemOf(value)
        if (problem !== undefined) context.addIssue(problem)
      })
      .optional(),
  )
const limit = (per: string) =>
  given(
    z
      .string()
      .regex(/^\d{1,6}$/, `takes the requests ${per} as a whole number, 0 for no limit`)
      .optional(),
  )
const text = given(z.string().optional())

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
const PORT_TAKES = 'takes a port from 0 to 65535 (0: any free one; default 8081)'
const POSTGRES_PORT_TAKES = 'takes a port from 1 to 65535 (unset: that of the last start, or a free one)'
const FREE_KEY = 'https://www.alphavantage.co/support/#api-key'

const environmentSchema = z.object({
  STOCKPILE_HOME: text,
  DATABASE_URL: sound(
    (value) =>
      databaseUrlProblem(value) ??
      (namesDatabase(value) ? undefined : 'must name the database after the last slash'),
  ),
  DATABASE_PASSWORD: text,
  REDIS_URL: sound((value) => urlProblem(value, ['redis', 'rediss'], ':password@127.0.0.1:6379')),
  QUEUE_PREFIX: given(
    z
      .string()
      .regex(/^[\w-]{1,50}$/, 'takes 1 to 50 letters, digits, - and _')
      .optional(),
  ),
  HOST: given(
    z
      .string()
      .regex(/^[\w.:-]{1,255}$/, 'takes an address such as 127.0.0.1 (default) or 0.0.0.0')
      .default('127.0.0.1'),
  ),
  PORT: given(
    z
      .string()
      .regex(/^\d{1,5}$/, PORT_TAKES)
      .transform(Number)
      .pipe(z.int().max(65_535, PORT_TAKES))
      .default(8081),
  ),
  POSTGRES_PORT: given(
    z
      .string()
      .regex(/^\d{1,5}$/, POSTGRES_PORT_TAKES)
      .transform(Number)
      .pipe(z.int().min(1, POSTGRES_PORT_TAKES).max(65_535, POSTGRES_PORT_TAKES))
      .optional(),
  ),
  ALPHAVANTAGE_API_KEY: text,
  ALPHAVANTAGE_API_KEY_FILE: text,
  ALPHAVANTAGE_BASE_URL: sound((value) => urlProblem(value, ['https', 'http'], 'www.alphavantage.co')),
  ALPHAVANTAGE_PLAN: given(z.enum(PLANS, `takes one of ${PLANS.join(', ')}`).default('free')),
  ALPHAVANTAGE_REQUESTS_PER_SECOND: limit('a second'),
  ALPHAVANTAGE_REQUESTS_PER_MINUTE: limit('a minute'),
  ALPHAVANTAGE_REQUESTS_PER_DAY: limit('a day'),
  WORKER_CONCURRENCY: given(
    z
      .string()
      .regex(/^([1-9]|[1-5]\d|6[0-4])$/, 'takes a whole number from 1 to 64')
      .optional(),
  ),
  RUN_RETENTION_DAYS: given(
    z
      .string()
      .regex(/^\d{1,5}$/, 'takes a whole number of days, 0 for ever')
      .optional(),
  ),
  // Empty means none here, so it must not count as unset.
  SYMBOLS: z
    .string()
    .default('IBM,AAPL')
    .transform(splitSymbols)
    .refine(
      (symbols) => symbols.every(isSymbol),
      'takes symbols such as IBM,AAPL, separated by commas (empty: none)',
    ),
  LOG_LEVEL: given(z.enum(LOG_LEVELS, `takes one of ${LOG_LEVELS.join(', ')}`).default('info')),
})

type Environment = z.output<typeof environmentSchema>

/** Every variable that Stockpile reads: a child process gets those of its own, and no other. */
export const VARIABLES = Object.keys(environmentSchema.shape)

export interface Config {
  /** Absolute: the embedded database and the logs. */
  home: string
  /** Undefined: the embedded server. */
  databaseUrl: string | undefined
  /** Of the embedded server; undefined: that of the last start, or a free one. */
  postgresPort: number | undefined
  redisUrl: string | undefined
  queuePrefix: string | undefined
  host: string
  /** 0: any free one. */
  port: number
  /** Whether prices come from the simulator, since there is no key. */
  simulated: boolean
  apiKey: string | undefined
  /** Absolute. */
  apiKeyFile: string | undefined
  baseUrl: string | undefined
  plan: Environment['ALPHAVANTAGE_PLAN']
  /** What overrides the plan's limits, as it was given; undefined: the plan's. */
  requestsPer: Record<'second' | 'minute' | 'day', string | undefined>
  workerConcurrency: string | undefined
  runRetentionDays: string | undefined
  symbols: string[]
  logLevel: Environment['LOG_LEVEL']
}

/** The environment holds values that nothing can start with; the message has one line for each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/**
 * @param projectRoot absolute; `.stockpile` in it is the default of STOCKPILE_HOME
 * @param whence where a variable was set, for the messages: ' (line 4 of .env)'; '': in the shell
 * @throws ConfigError
 */
export function parseConfig(
  environment: Record<string, string | undefined>,
  projectRoot: string,
  whence: (name: string) => string = () => '',
): Readonly<Config> {
  const parsed = environmentSchema.safeParse(environment)
  // Values are not repeated: some hold a password.
  const problems = new Map(parsed.error?.issues.map((issue) => [String(issue.path[0]), issue.message]))
  const set = (name: keyof Environment) => (environment[name] ?? '') !== ''
  if (set('ALPHAVANTAGE_API_KEY') && set('ALPHAVANTAGE_API_KEY_FILE')) {
    problems.set('ALPHAVANTAGE_API_KEY', 'is set and ALPHAVANTAGE_API_KEY_FILE too: set only one of them')
  }
  if (
    set('ALPHAVANTAGE_BASE_URL') &&
    !set('ALPHAVANTAGE_API_KEY') &&
    !set('ALPHAVANTAGE_API_KEY_FILE') &&
    !problems.has('ALPHAVANTAGE_BASE_URL')
  ) {
    problems.set(
      'ALPHAVANTAGE_BASE_URL',
      `is set without a key: set ALPHAVANTAGE_API_KEY too (a free one: ${FREE_KEY}), or unset it to use the simulator`,
    )
  }
  if (!parsed.success || problems.size > 0) {
    throw new ConfigError([...problems].map(([name, takes]) => `${name}${whence(name)} ${takes}.`).join('\n'))
  }
  const { data } = parsed
  return {
    home:
      data.STOCKPILE_HOME === undefined ? resolve(projectRoot, '.stockpile') : resolve(data.STOCKPILE_HOME),
    databaseUrl:
      data.DATABASE_URL === undefined || data.DATABASE_PASSWORD === undefined
        ? data.DATABASE_URL
        : withPassword(data.DATABASE_URL, data.DATABASE_PASSWORD),
    postgresPort: data.POSTGRES_PORT,
    redisUrl: data.REDIS_URL,
    queuePrefix: data.QUEUE_PREFIX,
    host: data.HOST,
    port: data.PORT,
    simulated: data.ALPHAVANTAGE_API_KEY === undefined && data.ALPHAVANTAGE_API_KEY_FILE === undefined,
    apiKey: data.ALPHAVANTAGE_API_KEY,
    apiKeyFile:
      data.ALPHAVANTAGE_API_KEY_FILE === undefined ? undefined : resolve(data.ALPHAVANTAGE_API_KEY_FILE),
    baseUrl: data.ALPHAVANTAGE_BASE_URL,
    plan: data.ALPHAVANTAGE_PLAN,
    requestsPer: {
      second: data.ALPHAVANTAGE_REQUESTS_PER_SECOND,
      minute: data.ALPHAVANTAGE_REQUESTS_PER_MINUTE,
      day: data.ALPHAVANTAGE_REQUESTS_PER_DAY,
    },
    workerConcurrency: data.WORKER_CONCURRENCY,
    runRetentionDays: data.RUN_RETENTION_DAYS,
    symbols: data.SYMBOLS,
    logLevel: data.LOG_LEVEL,
  }
}
