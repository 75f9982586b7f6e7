import { databaseUrlProblem, withPassword } from '@stockpile/db/database-url'
import { urlProblem } from '@stockpile/db/url'
import * as z from 'zod'

/** `--env` files and compose write an unset variable as an empty one. */
const optional = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (value === '' ? undefined : value), schema.optional())

const sound = (problemOf: (text: string) => string | undefined) =>
  z.string().superRefine((text, context) => {
    const problem = problemOf(text)
    if (problem !== undefined) context.addIssue(problem)
  })

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

const environmentSchema = z.object({
  DATABASE_URL: sound(databaseUrlProblem),
  DATABASE_PASSWORD: optional(z.string()),
  REDIS_URL: optional(sound((text) => urlProblem(text, ['redis', 'rediss'], ':password@127.0.0.1:6379'))),
  QUEUE_PREFIX: optional(z.string().regex(/^[\w-]{1,50}$/)),
  HOST: optional(z.string().regex(/^[\w.:-]{1,255}$/)),
  PORT: optional(
    z
      .string()
      .regex(/^\d{1,5}$/)
      .transform(Number)
      .pipe(z.int().max(65_535)),
  ),
  LOG_LEVEL: optional(z.enum(LOG_LEVELS)),
})

/** What each variable takes. Values are not repeated in messages: some hold a password. */
const TAKES: Record<keyof z.infer<typeof environmentSchema>, string> = {
  DATABASE_URL: 'the PostgreSQL database, e.g. postgres://user:password@127.0.0.1:5432/stockpile',
  DATABASE_PASSWORD: 'the password for DATABASE_URL, as it is, where it has none',
  REDIS_URL: 'a Redis, e.g. redis://127.0.0.1:6379; unset: the queue lives in PostgreSQL',
  QUEUE_PREFIX: '1 to 50 letters, digits, - and _',
  HOST: 'the address to listen on, e.g. 127.0.0.1 (default) or 0.0.0.0',
  PORT: 'a port from 0 to 65535; default 8081, 0: any free one',
  LOG_LEVEL: `one of ${LOG_LEVELS.join(', ')}; default info`,
}

export interface Config {
  databaseUrl: string
  redisUrl: string | undefined
  queuePrefix: string | undefined
  host: string
  port: number
  logLevel: (typeof LOG_LEVELS)[number]
}

/** The environment holds values that Stockpile cannot start with. The message names all of them. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** @throws ConfigError */
export function parseConfig(environment: Record<string, string | undefined>): Config {
  const parsed = environmentSchema.safeParse(environment)
  if (!parsed.success) throw new ConfigError(explain(parsed.error, environment))
  const { data } = parsed
  return {
    databaseUrl:
      data.DATABASE_PASSWORD === undefined
        ? data.DATABASE_URL
        : withPassword(data.DATABASE_URL, data.DATABASE_PASSWORD),
    redisUrl: data.REDIS_URL,
    queuePrefix: data.QUEUE_PREFIX,
    host: data.HOST ?? '127.0.0.1',
    port: data.PORT ?? 8081,
    logLevel: data.LOG_LEVEL ?? 'info',
  }
}

function explain(error: z.ZodError, environment: Record<string, string | undefined>): string {
  const problems = new Map(error.issues.map((issue) => [issue.path[0], issue]))
  return Object.entries(TAKES)
    .filter(([name]) => problems.has(name))
    .map(([name, takes]) => {
      if (!environment[name]) return `${name} is not set. It takes ${takes}.`
      const issue = problems.get(name)
      // Of a URL the message says more than what it takes.
      return issue?.code === 'custom'
        ? `${name} ${issue.message}.`
        : `${name} is not valid. It takes ${takes}.`
    })
    .join('\n')
}
