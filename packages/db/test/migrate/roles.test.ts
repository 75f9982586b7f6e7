import { createDatabase, useDatabase } from '@stockpile/test-harness/database'
import { PROCESS_ROLES, urlAs } from '@stockpile/test-harness/roles'
import postgres from 'postgres'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { withPassword, withUser } from '../../src/database/database-url.js'
import { postgresJsOptions } from '../../src/database/driver-options.js'
import { connect } from '../../src/database/connection.js'
import { prepareRoles, processRoles } from '../../src/migrate/roles.js'
import type { ProcessName } from '../../src/migrate/roles.js'

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
    ['api', 'UPDATE ingest_failures SET detail = detail'],
    ['api', 'UPDATE provider_keys SET blocked_until = NULL'],
    ['api', 'DELETE FROM ingest_runs'],
    ['api', 'DROP TABLE symbols'],
    ['api', 'CREATE TABLE other ()'],
    ['api', 'TRUNCATE financial_data'],
    ['worker', 'DELETE FROM financial_data'],
    ['worker', 'DELETE FROM price_revisions'],
    ['worker', 'UPDATE price_revisions SET new_volume = 1'],
    ['worker', 'UPDATE ingest_failures SET detail = detail'],
    ['worker', 'INSERT INTO provider_state DEFAULT VALUES'],
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
        Array.from({ length: 3 }, () =>
          prepareRoles(url, { roles: PROCESS_ROLES, passwords, queueSchema: 'bullmq' }),
        ),
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

describe('two installations on one server', () => {
  const database = useDatabase()
  const nameOf = (url: string) => new URL(url).pathname.slice(1)
  const whoIs = async (url: string, user: string, password: string) => {
    const { db, close } = connect({
      databaseUrl: withPassword(withUser(url, user), password),
      applicationName: 'roles-test',
      maxConnections: 1,
      statementTimeoutMs: 10_000,
    })
    try {
      const [who] = await db.execute<{ role: string }>(
        'SELECT current_user AS role, (SELECT count(*) FROM symbols)',
      )
      return who?.role
    } finally {
      await close()
    }
  }
  const prepare = (url: string, password: string) =>
    prepareRoles(url, { passwords: { api: password, worker: password }, queueSchema: 'bullmq' })
  const asOwner = async (statement: string) => {
    const owner = postgres(database.url, { max: 1, onnotice: () => {} })
    try {
      await owner.unsafe(statement)
    } finally {
      await owner.end()
    }
  }
  const dropRoles = async (url: string) => {
    const { db, close } = connect({
      databaseUrl: url,
      applicationName: 'roles-test',
      maxConnections: 1,
      statementTimeoutMs: 10_000,
    })
    for (const role of Object.values(processRoles(nameOf(url)))) {
      await db.execute(`DROP OWNED BY ${role}`)
      await db.execute(`DROP ROLE ${role}`)
    }
    await close()
  }

  test('have roles and passwords of their own, whichever is prepared last', async () => {
    const other = await createDatabase()
    const first = await prepare(database.url, 'first')
    const second = await prepare(other.url, 'second')
    expect(first.roles).toEqual(processRoles(nameOf(database.url)))
    for (const role of Object.values(first.roles)) {
      expect(await whoIs(database.url, role, 'first')).toBe(role)
      await expect(whoIs(database.url, role, 'second')).rejects.toMatchObject({ cause: { code: '28P01' } })
    }
    for (const role of Object.values(second.roles)) expect(await whoIs(other.url, role, 'second')).toBe(role)
    await dropRoles(other.url)
    await dropRoles(database.url)
    await other.drop()
  })

  test('keep the roles of an earlier version, with the tables of this one and the password they have', async () => {
    await asOwner('CREATE TABLE since_then (); REVOKE ALL ON symbols FROM stockpile_api')
    expect((await prepare(database.url, 'new')).earlier).toEqual(Object.values(PROCESS_ROLES))
    const earlier = postgres(urlAs('stockpile_api', database.url), { max: 1, fetch_types: false })
    expect(await earlier`SELECT count(*)::int AS rows FROM since_then, symbols`).toEqual([{ rows: 0 }])
    await earlier.end()
    await dropRoles(database.url)
  })

  test('leave a role that is somebody else’s as it is, in one sentence', async () => {
    const { api } = processRoles(nameOf(database.url))
    await asOwner(`CREATE ROLE ${api} SUPERUSER LOGIN PASSWORD 'precious'`)
    await expect(prepare(database.url, 'new')).rejects.toThrow(`a role ${api} that is not Stockpile's`)
    expect(await whoIs(database.url, api, 'precious')).toBe(api)
    await asOwner(`DROP ROLE ${api}`)
  })

  test('need a name that leaves room for that of the role', () => {
    expect(processRoles('x'.repeat(56)).worker).toHaveLength(63)
    expect(() => processRoles('x'.repeat(57))).toThrow(/at most 56 bytes/)
  })
})
