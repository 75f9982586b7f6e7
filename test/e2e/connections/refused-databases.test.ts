import { fileURLToPath } from 'node:url'
import { useDatabase } from '@stockpile/test-harness/database'
import { useProcesses } from '@stockpile/test-harness/process'
import postgres from 'postgres'
import { afterEach, beforeEach, expect, test } from 'vitest'

const DEADLINE_MS = 60_000
const MIGRATE = fileURLToPath(new URL('../../../apps/migrate/dist/main.js', import.meta.url))

const database = useDatabase({ empty: true })
const { start } = useProcesses()
let sql: postgres.Sql
beforeEach(() => {
  sql = postgres(database.url, { max: 1, onnotice: () => {} })
})
afterEach(() => sql.end())

test('tables in a schema that a search path once named are said to be there', async () => {
  const env = { DATABASE_URL: database.url }
  expect(await start(MIGRATE, { env }).waitForExit({ deadlineMs: DEADLINE_MS })).toBe(0)
  await sql`ALTER SCHEMA public RENAME TO prices`
  await sql`CREATE SCHEMA public`
  const migrate = start(MIGRATE, { env })
  expect(await migrate.waitForExit({ deadlineMs: DEADLINE_MS })).toBe(1)
  expect(migrate.lines).toEqual([
    expect.stringMatching(/in the schema prices .*ALTER SCHEMA prices RENAME TO public/),
  ])
})

test('a database that somebody made read-only stays so', async () => {
  const name = new URL(database.url).pathname.slice(1)
  await sql.unsafe(`ALTER DATABASE "${name}" SET default_transaction_read_only = on`)
  const migrate = start(MIGRATE, { env: { DATABASE_URL: database.url } })
  expect(await migrate.waitForExit({ deadlineMs: DEADLINE_MS })).toBe(1)
  expect(migrate.lines).toEqual([expect.stringMatching(/PostgreSQL is read-only/)])
})

test.each(['SQL_ASCII', 'LATIN1'])('a database in %s is refused in a sentence', async (encoding) => {
  const url = new URL(database.url)
  url.pathname += '_encoded'
  const name = url.pathname.slice(1)
  await sql.unsafe(
    `CREATE DATABASE "${name}" ENCODING '${encoding}' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0`,
  )
  try {
    const env = { DATABASE_URL: url.href, ALPHAVANTAGE_API_KEY: 'key', SYMBOLS: '', PORT: '0' }
    for (const path of ['apps/migrate', 'apps/api', 'apps/worker', 'apps/local']) {
      const file = fileURLToPath(new URL(`../../../${path}/dist/main.js`, import.meta.url))
      const program = start(file, { env })
      expect(await program.waitForExit({ deadlineMs: DEADLINE_MS })).toBe(1)
      expect(program.lines.at(-1)).toMatch(
        new RegExp(`has the encoding ${encoding}, and Stockpile needs UTF8`),
      )
      expect(program.lines.join('\n')).not.toContain('    at ')
    }
  } finally {
    await sql.unsafe(`DROP DATABASE "${name}" WITH (FORCE)`)
  }
})
