import { databaseUrlProblem, databaseUrlWarning, withPassword } from '@stockpile/db/database-url'
import { pgOptions } from '@stockpile/db/driver-options'
import { errorSentence } from '@stockpile/db/error-sentence'
import { describeMigrated, migrate } from '@stockpile/db/migrate'
import { prepareRoles } from '@stockpile/db/roles'
import { createLogger, logFailure, logFormat } from '@stockpile/log/logger'
import { createProcessOutput } from '@stockpile/log/output'
import { migrateQueue, QUEUE_SCHEMA } from '@stockpile/queue/backend'
import { check } from './check.js'
import { HELP, readOptions } from './options.js'

const output = createProcessOutput()
const format = logFormat(process.env['LOG_FORMAT'], process.stdout.isTTY)
const logger = createLogger({ service: 'migrate', level: 'info', output, format })

/**
 * `node apps/migrate/dist/main.js`: brings the database of DATABASE_URL, whose user owns it, to this version's schema, and
 * the queue's tables in it; with API_DATABASE_PASSWORD and WORKER_DATABASE_PASSWORD it also makes the roles that API and
 * worker connect as; with `--check` it looks for errors instead. Exits with 2 for a wrong environment, and with 1 when the
 * database cannot be migrated or has errors.
 */
process.exitCode = await main(process.env)

async function main(environment: Record<string, string | undefined>): Promise<number> {
  const options = readOptions()
  if (options === undefined) {
    console.error(HELP)
    return 2
  }
  const { DATABASE_URL: url = '', DATABASE_PASSWORD: password = '' } = environment
  const { API_DATABASE_PASSWORD: api = '', WORKER_DATABASE_PASSWORD: worker = '' } = environment
  const problem =
    url === ''
      ? 'is not set: give the PostgreSQL database to migrate, e.g. postgres://user:password@host/stockpile'
      : databaseUrlProblem(url)
  if (problem !== undefined) {
    logger.fatal(`DATABASE_URL ${problem}.`)
    return 2
  }
  if ((api === '') !== (worker === '')) {
    logger.fatal('API_DATABASE_PASSWORD and WORKER_DATABASE_PASSWORD go together: set both, or neither.')
    return 2
  }
  const warning = databaseUrlWarning(url)
  if (warning !== undefined) logger.warn(warning)
  try {
    const databaseUrl = password === '' ? url : withPassword(url, password)
    if (options.check) {
      const isSound = await check(databaseUrl, { repair: options.repair, print: (line) => console.log(line) })
      return isSound ? 0 : 1
    }
    logger.info(describeMigrated(await migrate(databaseUrl)))
    // The queue's tables are made even when REDIS_URL is set, since the queue is here once it is not.
    await migrateQueue(pgOptions(databaseUrl))
    if (api !== '') {
      const { roles, earlier } = await prepareRoles(databaseUrl, {
        passwords: { api, worker },
        queueSchema: QUEUE_SCHEMA,
      })
      logger.info(
        `The API connects as ${roles.api}, the worker as ${roles.worker}: both have what they need.`,
      )
      if (earlier.length > 0) {
        logger.warn(
          `${earlier.join(' and ')}, of an earlier version, keep their rights in this database, but their passwords are not set here any more: let DATABASE_URL of API and worker name the new roles.`,
        )
      }
    }
    return 0
  } catch (error) {
    logFailure(logger, error, errorSentence(error))
    return 1
  }
}
