import { given, sound } from '@stockpile/config/fields'
import { PROGRAMS, type Variables } from '@stockpile/config/programs'
import { readVariables } from '@stockpile/config/read'
import type { LogLevel } from '@stockpile/config/variables'
import { databaseUrlProblem, withPassword } from '@stockpile/db/database-url'

const schema = PROGRAMS.api.extend({ DATABASE_URL: given(sound(databaseUrlProblem)) })

export interface Config {
  /** With its password. */
  databaseUrl: string
  /** Undefined: the queue lives in PostgreSQL. */
  redisUrl: string | undefined
  /** Undefined: the queue's own. */
  queuePrefix: string | undefined
  /** The address that the API listens on. */
  host: string
  /** 0: any free one. */
  port: number
  logLevel: LogLevel
}

/** @throws ConfigError that names every wrong variable, with what it takes */
export function parseConfig(environment: Variables): Config {
  const variables = readVariables(schema, environment)
  return {
    databaseUrl:
      variables.DATABASE_PASSWORD === undefined
        ? variables.DATABASE_URL
        : withPassword(variables.DATABASE_URL, variables.DATABASE_PASSWORD),
    redisUrl: variables.REDIS_URL,
    queuePrefix: variables.QUEUE_PREFIX,
    host: variables.HOST,
    port: variables.PORT,
    logLevel: variables.LOG_LEVEL,
  }
}
