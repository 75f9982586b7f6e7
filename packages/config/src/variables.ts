import { PLANS } from '@stockpile/domain/plan'
import { isSymbol, splitSymbols } from '@stockpile/domain/symbol'
import * as z from 'zod'
import { given, sound } from './fields.js'
import { urlProblem } from './url.js'

/** Who takes variables from a file `.env` in the repository's folder. */
export type EnvFileReader = 'npm start' | 'docker compose'

/** What is to be known of a variable besides its parser. */
export interface Facts {
  /** Follows the name in the message about a wrong value: 'takes …'. A variable that any text suits has none. */
  takes?: string
  /** The text that is parsed while the variable is unset. */
  default?: string
  /** What the documents say of an unset variable that has no `default`. */
  unset?: string
  /** The value that `.env.example` shows of a variable that has no `default`. */
  shown?: string
  /** Whether an empty text is a value, and not the sign of an unset variable. */
  mayBeEmpty?: true
  /** Whether the value, or a part of it, is a secret. */
  isSecret?: true
  /** Who takes the variable from a file `.env`; empty: nobody. */
  envFile: readonly EnvFileReader[]
  /** What the variable is for: plain text with backticks, without `|`. */
  about: string
}

const facts = z.registry<Facts>()

/** A variable that may be unset. */
function optional<Schema extends z.ZodType>(schema: Schema, its: Facts) {
  return known(given(schema.optional()), its)
}

/** A variable that is parsed from its default while it is unset. */
function withDefault<Schema extends z.ZodType>(schema: Schema, its: Facts & { default: string }) {
  const isUnset = (value: unknown) => value === undefined || (value === '' && its.mayBeEmpty !== true)
  return known(
    z.preprocess((value) => (isUnset(value) ? its.default : value), schema),
    its,
  )
}

function known<Schema extends z.ZodType>(schema: Schema, its: Facts): Schema {
  facts.add(schema, its)
  return schema
}

const BOTH = ['npm start', 'docker compose'] as const
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

const PROXY_TAKES = 'takes an address such as http://proxy:3128'
const SYMBOLS_TAKE = 'takes symbols such as IBM,AAPL, separated by commas (empty: none)'

const port = z
  .string()
  .regex(/^\d{1,5}$/)
  .transform(Number)
  .pipe(z.int().max(65_535))
const limit = z
  .string()
  .regex(/^\d{1,6}$/)
  .transform(Number)
/** A proxy's address, which may lack the `http://`: other programs take it so too. */
const proxy = z
  .string()
  .transform((text) => (/^\w+:\/\//.test(text) ? text : `http://${text}`))
  .refine((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), PROXY_TAKES)

/** Every environment variable of Stockpile, in the order of the documents. Each is parsed from a text, or from undefined. */
export const ENVIRONMENT = z.object({
  ALPHAVANTAGE_API_KEY: optional(z.string(), {
    unset: 'none',
    isSecret: true,
    envFile: BOTH,
    about:
      'Your key for Alpha Vantage; free ones are at https://www.alphavantage.co/support/#api-key. Without one `npm start` uses the simulator, and a worker says what is missing, waits for the key file, and starts by itself. The key is better kept in a file: environment variables show up in process listings, crash dumps and `docker inspect`.',
  }),
  ALPHAVANTAGE_API_KEY_FILE: optional(z.string(), {
    unset: 'none; a worker without a key looks at `/run/secrets/alphavantage_api_key`',
    envFile: BOTH,
    about:
      'A file with the key, which is read before every request: replace it to rotate the key. In containers `/run/secrets` is the folder `secrets/`: `sudo install -m 400 -o 1000 /dev/stdin secrets/alphavantage_api_key`.',
  }),
  ALPHAVANTAGE_PLAN: withDefault(z.enum(PLANS), {
    takes: `takes one of ${PLANS.join(', ')}`,
    default: 'free',
    envFile: BOTH,
    about:
      'The plan of the key, by its requests a minute. Of the bursts quoted for premium plans the least that lets the minute be spent is taken: 10 a second, 20 for `600`, 30 for `1200`.',
  }),
  ALPHAVANTAGE_REQUESTS_PER_SECOND: optional(limit, {
    takes: 'takes the requests a second as a whole number, 0 for no limit',
    unset: "the plan's",
    envFile: BOTH,
    about: "Overrides the plan's limit of a second.",
  }),
  ALPHAVANTAGE_REQUESTS_PER_MINUTE: optional(limit, {
    takes: 'takes the requests a minute as a whole number, 0 for no limit',
    unset: "the plan's",
    envFile: BOTH,
    about: "Overrides the plan's limit of a minute.",
  }),
  ALPHAVANTAGE_REQUESTS_PER_DAY: optional(limit, {
    takes: 'takes the requests a day as a whole number, 0 for no limit',
    unset: "the plan's",
    envFile: BOTH,
    about: "Overrides the plan's limit of a day.",
  }),
  ALPHAVANTAGE_BASE_URL: withDefault(
    sound((text) => urlProblem(text, ['https', 'http'], 'www.alphavantage.co')),
    {
      default: 'https://www.alphavantage.co',
      envFile: BOTH,
      about: 'Where `/query` is.',
    },
  ),
  HTTPS_PROXY: optional(proxy, {
    takes: PROXY_TAKES,
    unset: 'none',
    envFile: BOTH,
    about: 'A proxy on the way to the provider, also written `https_proxy`.',
  }),
  HTTP_PROXY: optional(proxy, {
    takes: PROXY_TAKES,
    unset: 'none',
    envFile: BOTH,
    about: 'The proxy for a base URL with `http:`, also written `http_proxy`.',
  }),
  NO_PROXY: optional(z.string(), {
    unset: 'none',
    envFile: BOTH,
    about:
      'Hosts that are asked without the proxy, separated by commas; what is on this machine always is. Also written `no_proxy`.',
  }),
  SYMBOLS: withDefault(
    z
      .string()
      .transform(splitSymbols)
      .refine((symbols) => symbols.every(isSymbol), SYMBOLS_TAKE),
    {
      takes: SYMBOLS_TAKE,
      default: 'IBM,AAPL',
      mayBeEmpty: true,
      envFile: BOTH,
      about: 'Symbols that are asked for at the start, unless they ever were.',
    },
  ),
  WORKER_CONCURRENCY: withDefault(
    z
      .string()
      .regex(/^([1-9]|[1-5]\d|6[0-4])$/)
      .transform(Number),
    {
      takes: 'takes a whole number from 1 to 64',
      default: '4',
      envFile: BOTH,
      about: 'Symbols in flight in one worker.',
    },
  ),
  RUN_RETENTION_DAYS: withDefault(
    z
      .string()
      .regex(/^\d{1,5}$/)
      .transform(Number),
    {
      takes: 'takes a whole number of days, 0 for ever',
      default: '365',
      envFile: BOTH,
      about:
        'Runs whose last item ended longer ago are deleted, with their items and failures. Prices, their revisions and rejected rows are never deleted.',
    },
  ),
  PORT: withDefault(port, {
    takes: 'takes a port from 0 to 65535 (0: any free one; default 8081)',
    default: '8081',
    envFile: BOTH,
    about: 'The port of the API; with `docker compose` the port of this machine on which the API is found.',
  }),
  QUEUE_PREFIX: optional(z.string().regex(/^[\w-]{1,50}$/), {
    takes: 'takes 1 to 50 letters, digits, - and _',
    unset: '`stockpile`',
    shown: 'stockpile',
    envFile: BOTH,
    about: 'Keeps several systems on one Redis apart.',
  }),
  LOG_LEVEL: withDefault(z.enum(LOG_LEVELS), {
    takes: `takes one of ${LOG_LEVELS.join(', ')}`,
    default: 'info',
    envFile: BOTH,
    about: 'The least serious lines that are logged.',
  }),
  LOG_FORMAT: optional(z.string(), {
    unset: '`pretty` on a terminal, else `json`',
    envFile: [],
    about:
      '`json`: one JSON line an event (`level`, `time`, `service`, `msg`, ids). `pretty`: the same for a person. Anything else counts as unset.',
  }),
  DATABASE_URL: optional(z.string(), {
    takes: 'takes the PostgreSQL database, e.g. postgres://user:password@127.0.0.1:5432/stockpile',
    unset: '`npm start`: its own; else required',
    shown: 'postgres://user:password@127.0.0.1:5432/stockpile',
    isSecret: true,
    envFile: ['npm start'],
    about:
      'The PostgreSQL 18 with the data, in UTF8; `npm start` has one of its own. The connection must be a direct one (docs/decisions/poolers.md). `sslmode`, `sslrootcert`, `connect_timeout`, `options` and the like mean what they mean to libpq (unset `sslmode` is `prefer`); variables such as `PGHOST` count for nothing.',
  }),
  DATABASE_PASSWORD: optional(z.string(), {
    unset: 'none',
    isSecret: true,
    envFile: ['npm start'],
    about: 'The password for a `DATABASE_URL` that has none, as it is: no character has to be encoded.',
  }),
  REDIS_URL: optional(
    sound((text) => urlProblem(text, ['redis', 'rediss'], ':password@127.0.0.1:6379')),
    {
      unset: 'none',
      shown: 'redis://127.0.0.1:6379',
      isSecret: true,
      envFile: ['npm start'],
      about: 'The Redis with the queue, for production; unset, the queue lives in PostgreSQL.',
    },
  ),
  HOST: withDefault(z.string().regex(/^[\w.:-]{1,255}$/), {
    takes: 'takes an address such as 127.0.0.1 (default) or 0.0.0.0',
    default: '127.0.0.1',
    envFile: ['npm start'],
    about: 'Where the API listens. There is no authentication yet.',
  }),
  STOCKPILE_HOME: withDefault(z.string(), {
    default: '.stockpile',
    envFile: ['npm start'],
    about: 'The folder in which `npm start` keeps its database and logs.',
  }),
  POSTGRES_PORT: optional(port.pipe(z.int().min(1)), {
    takes: 'takes a port from 1 to 65535 (unset: that of the last start, or a free one)',
    unset: 'that of the last start, or a free one',
    envFile: ['npm start'],
    about: 'The port of the PostgreSQL of `npm start`, on 127.0.0.1.',
  }),
  HEARTBEAT_FILE: optional(z.string(), {
    unset: 'none',
    shown: '/tmp/heartbeat',
    envFile: ['npm start'],
    about:
      'A file that the worker writes every 5 s while PostgreSQL and the queue answer, for a health check that looks at its age.',
  }),
  POSTGRES_PASSWORD: optional(z.string(), {
    unset: '`stockpile`',
    shown: 'stockpile',
    isSecret: true,
    envFile: ['docker compose'],
    about:
      'The password of the PostgreSQL of `docker compose`, whose port is published nowhere, and of its owner, as whom the migrations run. It stays what it was when the volume was made.',
  }),
  API_DATABASE_PASSWORD: optional(z.string(), {
    unset: 'none; with `docker compose` `stockpile`',
    shown: 'stockpile',
    isSecret: true,
    envFile: ['docker compose'],
    about: 'The password of the role as which the API connects, and which can change no table.',
  }),
  WORKER_DATABASE_PASSWORD: optional(z.string(), {
    unset: 'none; with `docker compose` `stockpile`',
    shown: 'stockpile',
    isSecret: true,
    envFile: ['docker compose'],
    about: 'The password of the role as which the worker connects, and which can change no table.',
  }),
  ADMINER_PORT: withDefault(port, {
    default: '8080',
    envFile: ['docker compose'],
    about: 'The port on 127.0.0.1 at which `docker compose` publishes adminer.',
  }),
})

export type VariableName = keyof typeof ENVIRONMENT.shape

export const VARIABLE_NAMES = ENVIRONMENT.keyof().options

export function factsOf(name: VariableName): Facts {
  const found = facts.get(ENVIRONMENT.shape[name])
  if (found === undefined) throw new Error(`nothing is known of ${name}`)
  return found
}
