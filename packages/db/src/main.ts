import { databaseUrlProblem, databaseUrlWarning } from './database-url.js'
import { errorSentence } from './error-sentence.js'
import { describeMigrated, migrate } from './migrate.js'

/**
 * `node packages/db/dist/main.js`: applies the migrations to DATABASE_URL and exits, with 2 for a wrong DATABASE_URL and 1
 * for a database that cannot be migrated.
 */
process.exitCode = await main(process.env['DATABASE_URL'] ?? '')

async function main(databaseUrl: string): Promise<number> {
  const problem =
    databaseUrl === ''
      ? 'is not set: give the PostgreSQL database to migrate, e.g. postgres://user:password@host/stockpile'
      : databaseUrlProblem(databaseUrl)
  if (problem !== undefined) {
    console.error(`DATABASE_URL ${problem}.`)
    return 2
  }
  const warning = databaseUrlWarning(databaseUrl)
  if (warning !== undefined) console.error(warning)
  try {
    console.log(describeMigrated(await migrate(databaseUrl)))
    return 0
  } catch (error) {
    console.error(errorSentence(error) ?? error)
    return 1
  }
}
