import { given, sound } from '@stockpile/config/fields'
import { PROGRAMS, type Variables } from '@stockpile/config/programs'
import { readVariables } from '@stockpile/config/read'
import type { LogLevel } from '@stockpile/config/variables'
import { databaseUrlProblem, withPassword } from '@stockpile/db/database-url'

const schema = PROGRAMS.api.extend({ DATABASE_URL: given(sound(databaseUrlProblem)) })

export interface Config {
  /** The URL of the database, with its password. */
  databaseUrl: string
  /** undefined: the queue is in PostgreSQL. */
  redisUrl: string | undefined
  /** What the queue's names begin with; undefined: the queue's default. */
  queuePrefix: string | undefined
  /** The address that the API listens on. */
  host: string
  /** The port that the API listens on; 0: any free port. */
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
