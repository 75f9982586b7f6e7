import { parseDatabaseUrl, withDatabase } from '@stockpile/db/database-url'
import { pgOptions } from '@stockpile/db/driver-options'
import { errorSentence } from '@stockpile/db/error-sentence'
import { describeMigrated, migrate } from '@stockpile/db/migrate'
import { prepareRoles } from '@stockpile/db/roles'
import { migrateQueue, QUEUE_SCHEMA } from '@stockpile/queue/backend'
import type postgres from 'postgres'
import { codeOf, messageOf, StartError } from '../errors.js'
import type { DatabaseServer } from './server.js'
import { withConnection } from './with-connection.js'

/** PostgreSQL's codes for a database that is not there, and for one that is there already. */
const INVALID_CATALOG_NAME = '3D000'
const DUPLICATE_DATABASE = '42P04'

/** Whether the database exists and `prepareDatabase` has made its tables. */
export async function hasTables(databaseUrl: string): Promise<boolean> {
  try {
    const rows = await withConnection(
      databaseUrl,
      (sql) => sql<{ known: boolean }[]>`select to_regclass('public.ingest_runs') is not null as known`,
    )
    return rows[0]?.known === true
  } catch (error) {
    if (codeOf(error) === INVALID_CATALOG_NAME) return false
    throw error
  }
}

/**
 * Makes the database where it is missing, brings its tables and those of BullMQ to this version's schema, and makes the roles
 * of API and worker.
 * @returns a sentence when the database was of an earlier version and had to be repaired
 * @throws StartError
 */
export async function prepareDatabase({
  databaseUrl,
  rolePasswords,
}: Pick<DatabaseServer, 'databaseUrl' | 'rolePasswords'>): Promise<string | undefined> {
  try {
    await createIfMissing(databaseUrl)
    const migrated = await migrate(databaseUrl)
    await migrateQueue(pgOptions(databaseUrl))
    if (rolePasswords !== undefined)
      await prepareRoles(databaseUrl, { passwords: rolePasswords, queueSchema: QUEUE_SCHEMA })
    return migrated.repaired.length > 0 || migrated.corrected > 0 ? describeMigrated(migrated) : undefined
  } catch (error) {
    if (error instanceof StartError) throw error
    const sentence = errorSentence(error)
    if (sentence === undefined) throw error
    throw new StartError(sentence, { cause: error })
  }
}

async function createIfMissing(databaseUrl: string): Promise<void> {
  try {
    await withConnection(databaseUrl, (sql) => sql`select 1`)
    return
  } catch (error) {
    if (codeOf(error) !== INVALID_CATALOG_NAME) throw error
  }
  const maintenance = withDatabase(databaseUrl, 'postgres')
  const name = parseDatabaseUrl(databaseUrl).database
  // template0 takes any encoding, whatever the server's default is.
  const create = (sql: postgres.Sql) => sql`create database ${sql(name)} encoding 'UTF8' template template0`
  await withConnection(maintenance, create).catch((error: unknown) => {
    if (codeOf(error) !== DUPLICATE_DATABASE) {
      throw new StartError(`There is no database ${name}, and it cannot be made: ${messageOf(error)}.`)
    }
  })
}
