import { createDatabase, useDatabase } from '@stockpile/test-harness/database'
import postgres from 'postgres'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { withPassword, withUser } from '../src/database-url.js'
import { postgresJsOptions } from '../src/driver-options.js'
import { PROCESS_ROLES, prepareRoles } from '../src/roles.js'
import type { ProcessName } from '../src/roles.js'

// The test run's own server has both roles, with their names as passwords (see test/global-setup.ts).
describe('the role of a process', () => {
  const database = useDatabase()
  const opened: postgres.Sql[] = []
  const as = (name: ProcessName) => {
    const role = PROCESS_ROLES[name]
    const url = withPassword(withUser(database.url, role), role)
    const sql = postgres({
      ...postgresJsOptions(url, { applicationName: 'roles-test' }),
      max: 1,
      fetch_types: false,
    })
    opened.push(sql)
    return sql
  }
  beforeEach(async () => {
    const owner = postgres(database.url, { max: 1 })
    await owner`INSERT INTO financial_data VALUES ('IBM', '2024-01-02', 1, 1, 1, 1, 1)`
    await owner.end()
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((sql) => sql.end()))
  })

  test.each([
    ['api', "INSERT INTO financial_data VALUES ('IBM', '2024-01-03', 1, 1, 1, 1, 1)"],
    ['api', 'UPDATE financial_data SET volume = 2'],
    ['api', 'DELETE FROM financial_data'],
    ['api', 'UPDATE provider_state SET blocked_until = NULL'],
    ['api', 'DELETE FROM ingest_runs'],
    ['api', 'DROP TABLE symbols'],
    ['api', 'CREATE TABLE other ()'],
    ['api', 'TRUNCATE financial_data'],
    ['worker', 'DELETE FROM financial_data'],
    ['worker', 'DELETE FROM price_revisions'],
    ['worker', 'DELETE FROM rejected_rows'],
    ['worker', 'TRUNCATE financial_data'],
    ['worker', 'ALTER TABLE symbols ADD COLUMN other int'],
    ['worker', 'DROP FUNCTION interval_ms(interval)'],
    ['worker', 'UPDATE drizzle.__drizzle_migrations SET hash = hash'],
  ] as const)('%s may not: %s', async (name, statement) => {
    await expect(as(name).unsafe(statement)).rejects.toThrow(/permission denied|must be owner/)
  })

  test('is made for two databases of a server at the same time', async () => {
    const other = await createDatabase()
    const passwords = PROCESS_ROLES
    await Promise.all(
      [database.url, other.url].flatMap((url) =>
        Array.from({ length: 3 }, () => prepareRoles(url, { passwords, queueSchema: 'bullmq' })),
      ),
    )
    await other.drop()
    expect(await as('worker')`SELECT count(*)::int AS rows FROM symbols`).toEqual([{ rows: 1 }])
  })

  test('lets the worker store rows, which are counted, and the API read them', async () => {
    await as('worker')`INSERT INTO financial_data VALUES ('IBM', '2024-01-03', 1, 1, 1, 1, 1)`
    const [known] = await as('api')`SELECT row_count FROM symbols WHERE symbol = 'IBM'`
    expect(known).toEqual({ row_count: 2 })
  })
})
