import { limitsOf, PLANS } from '@stockpile/alphavantage/plan'
import { databaseUrlProblem, withPassword } from '@stockpile/db/database-url'
import { isSymbol, splitSymbols } from '@stockpile/db/symbol'
import { urlProblem } from '@stockpile/db/url'
import * as z from 'zod'

/** An empty variable counts as one that is not set, as compose files and shells produce them. */
const given = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (value === '' ? undefined : value), schema)
const count = (what: string) =>
  given(
    z
      .string()
      .regex(/^\d{1,6}$/, `takes ${what} as a whole number, 0 for none`)
      .transform(Number)
      .optional(),
  )
const sound = (problemOf: (text: string) => string | undefined, example: string) =>
  z.string(`takes a URL such as ${example}`).superRefine((text, context) => {
    const problem = problemOf(text)
    if (problem !== undefined) context.addIssue(problem)
  })

/** As others take it, which need no `http://` before it. */
const proxyUrl = () =>
  z
    .string()
    .default('')
    .transform((text) => (text === '' || /^\w+:\/\//.test(text) ? text : `http://${text}`))
    .refine(
      (text) => text === '' || (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)),
      'takes an address such as http://proxy:3128',
    )

/** Where Docker and its compose mount secrets. */
const DEFAULT_KEY_FILE = '/run/secrets/alphavantage_api_key'

const schema = z
  .object({
    DATABASE_URL: sound(databaseUrlProblem, 'postgres://user:password@127.0.0.1:5432/stockpile'),
    DATABASE_PASSWORD: given(z.string().optional()),
    REDIS_URL: given(
      sound(
        (text) => urlProblem(text, ['redis', 'rediss'], ':password@127.0.0.1:6379'),
        'redis://127.0.0.1:6379',
      ).optional(),
    ),
    QUEUE_PREFIX: given(
      z
        .string()
        .regex(/^[\w-]{1,50}$/, 'takes 1 to 50 letters, digits, - and _')
        .optional(),
    ),
    ALPHAVANTAGE_API_KEY: given(z.string().optional()),
    ALPHAVANTAGE_API_KEY_FILE: given(z.string().optional()),
    HEARTBEAT_FILE: given(z.string().optional()),
    ALPHAVANTAGE_BASE_URL: given(
      sound(
        (text) => urlProblem(text, ['https', 'http'], 'www.alphavantage.co'),
        'https://www.alphavantage.co',
      ).default('https://www.alphavantage.co'),
    ),
    ALPHAVANTAGE_PLAN: given(z.enum(PLANS, `takes one of ${PLANS.join(', ')}`).default('free')),
    ALPHAVANTAGE_REQUESTS_PER_SECOND: count('requests a second'),
    ALPHAVANTAGE_REQUESTS_PER_MINUTE: count('requests a minute'),
    ALPHAVANTAGE_REQUESTS_PER_DAY: count('requests a day'),
    WORKER_CONCURRENCY: given(
      z
        .string()
        .regex(/^([1-9]|[1-5]\d|6[0-4])$/, 'takes a whole number from 1 to 64')
        .transform(Number)
        .default(4),
    ),
    RUN_RETENTION_DAYS: given(
      z
        .string()
        .regex(/^\d{1,5}$/, 'takes a whole number of days, 0 for ever')
        .transform(Number)
        .default(365),
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
    HTTP_PROXY: proxyUrl(),
    HTTPS_PROXY: proxyUrl(),
    NO_PROXY: z.string().default(''),
    LOG_LEVEL: given(z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info')),
  })
  .refine((env) => env.ALPHAVANTAGE_API_KEY === undefined || env.ALPHAVANTAGE_API_KEY_FILE === undefined, {
    path: ['ALPHAVANTAGE_API_KEY'],
    error: 'give either this or ALPHAVANTAGE_API_KEY_FILE, not both',
  })

/** @throws ConfigError naming every wrong variable and what it takes */
export function parseConfig(env: Record<string, string | undefined>) {
  const parsed = schema.safeParse(env)
  if (!parsed.success) {
    throw new ConfigError(
      parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n'),
    )
  }
  const { data } = parsed
  const limits = limitsOf(data.ALPHAVANTAGE_PLAN)
  return {
    databaseUrl:
      data.DATABASE_PASSWORD === undefined
        ? data.DATABASE_URL
        : withPassword(data.DATABASE_URL, data.DATABASE_PASSWORD),
    redisUrl: data.REDIS_URL,
    queuePrefix: data.QUEUE_PREFIX,
    key:
      data.ALPHAVANTAGE_API_KEY === undefined
        ? { file: data.ALPHAVANTAGE_API_KEY_FILE ?? DEFAULT_KEY_FILE }
        : { value: data.ALPHAVANTAGE_API_KEY },
    baseUrl: data.ALPHAVANTAGE_BASE_URL,
    plan: data.ALPHAVANTAGE_PLAN,
    limits: {
      perSecond: data.ALPHAVANTAGE_REQUESTS_PER_SECOND ?? limits.perSecond,
      perMinute: data.ALPHAVANTAGE_REQUESTS_PER_MINUTE ?? limits.perMinute,
      perDay: data.ALPHAVANTAGE_REQUESTS_PER_DAY ?? limits.perDay,
    },
    concurrency: data.WORKER_CONCURRENCY,
    runRetentionDays: data.RUN_RETENTION_DAYS,
    heartbeatFile: data.HEARTBEAT_FILE,
    symbols: data.SYMBOLS,
    proxy: { httpProxy: data.HTTP_PROXY, httpsProxy: data.HTTPS_PROXY, noProxy: data.NO_PROXY },
    logLevel: data.LOG_LEVEL,
  }
}

/** They are usually written small, and those go first, as with curl: the variables by the names that parseConfig reads. */
export function withProxies(env: Record<string, string | undefined>) {
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']
  return {
    ...env,
    ...Object.fromEntries(names.map((name) => [name, env[name.toLowerCase()] ?? env[name]])),
  }
}

export type Config = ReturnType<typeof parseConfig>

/** A variable of the environment is missing or wrong; the message is for the person who set it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}
