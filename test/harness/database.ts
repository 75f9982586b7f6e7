import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { afterEach, beforeEach, inject } from 'vitest'
import { waitFor } from './process.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** The superuser's URL of the server that all tests of a run share, started by test/global-setup.ts. */
    postgresUrl: string
    /** The name of the migrated database of which each test gets a copy. */
    templateDatabase: string
  }
}

export interface TestDatabase {
  /** The URL for the database's owner, who may do everything. */
  url: string
  /** Removes the database; rejects when connections to it are still open, and says whose. */
  drop(): Promise<void>
}

/** How long a closed connection may stay in the server's list. */
const CLOSE_DEADLINE_MS = 2_000

/** Makes a database: a copy of the migrated template, or with `empty` one without any table. */
export async function createDatabase({ empty = false } = {}): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`
  await asSuperuser(async (sql) => {
    // This server does not sync, so copying files is cheaper than logging pages.
    if (empty) await sql`create database ${sql(name)}`
    else
      await sql`create database ${sql(name)} template ${sql(inject('templateDatabase'))} strategy file_copy`
  })
  const url = new URL(inject('postgresUrl'))
  url.pathname = `/${name}`
  return { url: url.href, drop: () => asSuperuser((sql) => drop(sql, name)) }
}

/** Gives each test of the file or describe block a new database, dropped after the test; `url` is the current test's. */
export function useDatabase(options: { empty?: boolean } = {}): { readonly url: string } {
  let current: TestDatabase | undefined
  beforeEach(async () => {
    current = await createDatabase(options)
  })
  afterEach(async () => {
    const finished = current
    current = undefined
    await finished?.drop()
  })
  return {
    get url() {
      if (current === undefined) throw new Error('useDatabase: there is a database only while a test runs')
      return current.url
    },
  }
}

async function drop(sql: postgres.Sql, name: string): Promise<void> {
  const list = () => sql<{ application: string; state: string; query: string }[]>`
    select application_name as application, coalesce(state, '') as state, left(query, 80) as query
    from pg_stat_activity where datname = ${name} and backend_type = 'client backend'`
  await waitFor(async () => (await list()).length === 0, { deadlineMs: CLOSE_DEADLINE_MS }).catch(
    () => undefined,
  )
  const leaked = await list()
  await sql`drop database if exists ${sql(name)} with (force)`
  if (leaked.length > 0) {
    const whose = leaked.map((one) => `${one.application || 'unnamed'} (${one.state}: ${one.query})`)
    throw new Error(`Connections to the test's database were left open: ${whose.join(', ')}`)
  }
}

async function asSuperuser<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(inject('postgresUrl'), {
    max: 1,
    fetch_types: false,
    onnotice: () => undefined,
    connection: { application_name: 'test-harness' },
  })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 5 })
  }
}
