import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { expect, test } from 'vitest'
import { startProxy } from '@stockpile/test-harness/proxy'
import { connect, isUnavailable } from '../src/connection.js'
import { useConnection } from './database.js'

const connection = useConnection()

test('connections that are cut in the middle of transactions reject what ran on them, and nothing hangs or crashes', async () => {
  const { db } = connection.open()
  const big = 'x'.repeat(300_000)
  const killer = postgres(connection.url, { max: 1, connection: { application_name: 'killer' } })
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
