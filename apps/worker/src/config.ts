import { limitsOf } from '@stockpile/alphavantage/plan'
import { given, sound } from '@stockpile/config/fields'
import { PROGRAMS, type Variables } from '@stockpile/config/programs'
import { keyProblems, readVariables } from '@stockpile/config/read'
import { databaseUrlProblem, withPassword } from '@stockpile/db/database-url'

/** Where Docker and its compose mount secrets. */
const DEFAULT_KEY_FILE = '/run/secrets/alphavantage_api_key'

const schema = PROGRAMS.worker.extend({ DATABASE_URL: given(sound(databaseUrlProblem)) })

/** @throws ConfigError that names every wrong variable, with what it takes */
export function parseConfig(environment: Variables) {
  const variables = readVariables(schema, withProxies(environment), { rules: keyProblems })
  const limits = limitsOf(variables.ALPHAVANTAGE_PLAN)
  return {
    databaseUrl:
      variables.DATABASE_PASSWORD === undefined
        ? variables.DATABASE_URL
        : withPassword(variables.DATABASE_URL, variables.DATABASE_PASSWORD),
    redisUrl: variables.REDIS_URL,
    queuePrefix: variables.QUEUE_PREFIX,
    key:
      variables.ALPHAVANTAGE_API_KEY === undefined
        ? { file: variables.ALPHAVANTAGE_API_KEY_FILE ?? DEFAULT_KEY_FILE }
        : { value: variables.ALPHAVANTAGE_API_KEY },
    baseUrl: variables.ALPHAVANTAGE_BASE_URL,
    plan: variables.ALPHAVANTAGE_PLAN,
    limits: {
      perSecond: variables.ALPHAVANTAGE_REQUESTS_PER_SECOND ?? limits.perSecond,
      perMinute: variables.ALPHAVANTAGE_REQUESTS_PER_MINUTE ?? limits.perMinute,
      perDay: variables.ALPHAVANTAGE_REQUESTS_PER_DAY ?? limits.perDay,
    },
    concurrency: variables.WORKER_CONCURRENCY,
    runRetentionDays: variables.RUN_RETENTION_DAYS,
    heartbeatFile: variables.HEARTBEAT_FILE,
    symbols: variables.SYMBOLS,
    proxy: {
      httpProxy: variables.HTTP_PROXY ?? '',
      httpsProxy: variables.HTTPS_PROXY ?? '',
      noProxy: variables.NO_PROXY ?? '',
    },
    logLevel: variables.LOG_LEVEL,
  }
}

export type Config = ReturnType<typeof parseConfig>

/** The variables of proxies are usually written small; those go first, as with curl. */
function withProxies(environment: Variables): Variables {
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']
  return {
    ...environment,
    ...Object.fromEntries(names.map((name) => [name, environment[name.toLowerCase()] ?? environment[name]])),
  }
}
