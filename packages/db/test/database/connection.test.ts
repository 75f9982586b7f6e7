import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { expect, test } from 'vitest'
import { startProxy } from '@stockpile/test-harness/proxy'
import { connect, isUnavailable } from '../../src/database/connection.js'
import { useConnection } from '../database.js'

const connection = useConnection()

test('connections that are cut in the middle of transactions reject what ran on them, and nothing hangs or crashes', async () => {
  const { db } = connection.open()
  const big = 'x'.repeat(300_000)
  const killer = postgres(connection.url, {
    max: 1,
    onnotice: () => {},
    connection: { application_name: 'killer' },
  })
  const deadline = performance.now() + 3_000
  let cuts = 0
  const kill = async () => {
    while (performance.now() < deadline) {
      const rows = await killer`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'db-test' AND state <> 'idle' LIMIT 1`
      cuts += rows.length
    }
  }
  const errors: unknown[] = []
  const work = async () => {
    while (performance.now() < deadline) {
      await db
        .transaction(async (tx) => {
          await tx.execute(sql`SELECT length(${big}::text)`)
          await tx.execute(sql`SELECT 1`)
          await tx.execute(sql`SELECT length(${big}::text)`)
        })
        .catch((error: unknown) => errors.push(error))
    }
  }
  try {
    await Promise.all([kill(), ...Array.from({ length: 8 }, work)])
  } finally {
    await killer.end()
  }
  expect(cuts).toBeGreaterThan(10)
  expect(errors.length).toBeGreaterThan(0)
  expect(errors.filter((error) => !isUnavailable(error))).toEqual([])
  expect([...(await db.execute(sql`SELECT 1 AS one`))]).toEqual([{ one: 1 }])
})

test('a transaction whose process hung so long that the server ended it is one to try again', async () => {
  const { db } = connection.open()
  const watcher = postgres(connection.url, { max: 1, connection: { application_name: 'watcher' } })
  try {
    const hung = db.transaction(async (tx) => {
      await tx.execute(sql`SET LOCAL idle_in_transaction_session_timeout = 50`)
      let left = 1
      while (left > 0) {
        left = (
          await watcher`
            SELECT FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'db-test' AND xact_start IS NOT NULL`
        ).length
      }
      await tx.execute(sql`SELECT 1`)
    })
    expect(isUnavailable(await hung.catch((reason: unknown) => reason))).toBe(true)
  } finally {
    await watcher.end()
  }
})

test('a connection that vanished without a word is given up, as one that is away, and the next statement has another', async () => {
  const proxy = await startProxy(connection.url)
  const { db, close } = connect({
    databaseUrl: proxy.url,
    applicationName: 'db-test',
    maxConnections: 1,
    statementTimeoutMs: 300,
    idleTimeoutMs: 300,
  })
  try {
    await db.execute(sql`SELECT 1`)
    proxy.swallow()
    const error: unknown = await db.execute(sql`SELECT 1`).catch((reason: unknown) => reason)
    expect(isUnavailable(error)).toBe(true)
    expect([...(await db.execute(sql`SELECT 2 AS two`))]).toEqual([{ two: 2 }])
  } finally {
    await close()
    await proxy.close()
  }
})

/** A statement that sends two rows and fails at the third with the expression `failure`. */
const failsAfterRows = (failure: string) => sql`
  SELECT number, repeat('x', 10000), CASE WHEN number = 3 THEN ${sql.raw(failure)} END FROM generate_series(1, 3) AS number`

test.each([
  ['an error', `1 / (number - 3)`],
  ['the end of its connection', `pg_terminate_backend(pg_backend_pid())::int`],
])(
  'what follows a statement that %s stopped among its rows has its own rows, all of them and no error',
  async (_, failure) => {
    const { db, close } = connect({
      databaseUrl: connection.url,
      applicationName: 'db-test',
      maxConnections: 1,
      statementTimeoutMs: 10_000,
    })
    try {
      for (let round = 0; round < 3; round++) {
        await expect(db.execute(failsAfterRows(failure))).rejects.toThrow('Failed query')
        expect([...(await db.execute(sql`SELECT 1 AS one`))]).toStrictEqual([{ one: 1 }])
      }
    } finally {
      await close()
    }
  },
)

test.each([
  ['refused at its end', 'x'],
  ['refused in its middle', `x\n${'1\n'.repeat(200_000)}`],
])('a COPY whose rows are %s ends with the reason', async (_, text) => {
  const client = postgres(connection.url, { max: 1, connection: { application_name: 'copy' } })
  try {
    await client`CREATE TEMPORARY TABLE copied (number integer)`
    const into = await client`COPY copied FROM STDIN`.writable()
    await expect(pipeline(Readable.from([text]), into)).rejects.toThrow('invalid input syntax')
    expect([...(await client`SELECT count(*)::int FROM copied`)]).toStrictEqual([{ count: 0 }])
  } finally {
    await client.end()
  }
})
