import { ConfigError } from '@stockpile/config/read'
import { databaseUrlWarning } from '@stockpile/db/database-url'
import { pgOptions } from '@stockpile/db/driver-options'
import { errorSentence } from '@stockpile/db/error-sentence'
import { describeMigrated, migrate } from '@stockpile/db/migrate'
import { prepareRoles } from '@stockpile/db/roles'
import { createLogger, logFailure, logFormat } from '@stockpile/log/logger'
import { createProcessOutput } from '@stockpile/log/output'
import { migrateQueue, QUEUE_SCHEMA } from '@stockpile/queue/backend'
import { check } from './check.js'
import { parseConfig } from './config.js'
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
  try {
    const { databaseUrl, rolePasswords } = parseConfig(environment)
    const warning = databaseUrlWarning(databaseUrl)
    if (warning !== undefined) logger.warn(warning)
    if (options.check) {
      const isSound = await check(databaseUrl, { repair: options.repair, print: (line) => console.log(line) })
      return isSound ? 0 : 1
    }
    logger.info(describeMigrated(await migrate(databaseUrl)))
    // The queue's tables are made even when REDIS_URL is set, since the queue is here once it is not.
    await migrateQueue(pgOptions(databaseUrl))
    if (rolePasswords !== undefined) {
      const { roles, earlier } = await prepareRoles(databaseUrl, {
        passwords: rolePasswords,
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
    const isConfigError = error instanceof ConfigError
    logFailure(logger, error, isConfigError ? error.message : errorSentence(error))
    return isConfigError ? 2 : 1
  }
}
