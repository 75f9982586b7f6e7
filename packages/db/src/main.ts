import { migrate } from './migrate.js'

/** `node packages/db/dist/main.js`: applies the migrations to DATABASE_URL and exits. */
const databaseUrl = process.env['DATABASE_URL']
if (databaseUrl === undefined || databaseUrl === '') {
  console.error(
    'DATABASE_URL is not set: give the PostgreSQL database to migrate, e.g. postgres://user:password@host/stockpile',
  )
  process.exitCode = 2
} else {
  try {
    await migrate(databaseUrl)
    console.log('The database schema is up to date.')
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
