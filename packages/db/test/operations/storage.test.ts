import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { isUnavailable } from '../../src/database/connection.js'
import { failAttempt } from '../../src/runs/fail-attempt.js'
import { lostClaims } from '../../src/runs/claim.js'
import { releaseItem } from '../../src/runs/items.js'
import { storeSeries } from '../../src/runs/store-series.js'
import { reserveRequest } from '../../src/quota/ledger.js'
import {
  clearStorageTrouble,
  explainTrouble,
  noteStorageTrouble,
  readStorageState,
  tryToStore,
} from '../../src/operations/storage-state.js'
import { storageTrouble } from '../../src/database/storage-trouble.js'
import type { StorageTrouble } from '../../src/database/storage-trouble.js'
import { granted, requestOf } from '../quota/ledger-setup.js'
import { failure, series, takenItem, useConnection } from '../database.js'

const connection = useConnection()
const full: StorageTrouble = { class: 'disk_full', detail: "PostgreSQL's disk is full: no space." }

describe('what keeps rows from being stored', () => {
  test.each([
    ['53100', 'could not extend file "base/16384/16385": No space left on device', 'disk_full'],
    ['53200', 'out of memory', 'out_of_memory'],
    ['25006', 'cannot execute INSERT in a read-only transaction', 'read_only'],
    ['55P03', 'canceling statement due to lock timeout', 'locked'],
    ['57014', 'canceling statement due to statement timeout', 'too_slow'],
    ['58030', 'could not fsync file "pg_wal/000000010000000000000001": Input/output error', 'write_failed'],
    ['42501', 'could not open file "base/16384/16385": Read-only file system', 'write_failed'],
    ['XX000', 'could not write to file "base/pgsql_tmp/x": Disk quota exceeded', 'write_failed'],
  ])('is told by the code %s (%s)', (code, message, expected) => {
    const error = new Error('Failed query: INSERT …', { cause: Object.assign(new Error(message), { code }) })
    const trouble = storageTrouble(error)
    expect(trouble).toMatchObject({ class: expected })
    expect(trouble?.detail).toContain(message)
    expect(isUnavailable(error)).toBe(true)
  })

  test.each([
    ['23514', 'new row violates check constraint'],
    ['42501', 'permission denied for table financial_data'],
    ['XX000', 'cache lookup failed for type 0'],
    ['08006', 'the connection is gone'],
    ['53300', 'too many connections'],
    ['40P01', 'deadlock detected'],
  ])('is neither a statement that is wrong nor a server that is away (%s, %s)', (code, message) => {
    expect(storageTrouble(Object.assign(new Error(message), { code }))).toBeNull()
  })

  test('is never seen in what is no error', () => {
    fc.assert(
      fc.property(fc.anything(), (thing) => {
        expect(storageTrouble(thing)).toBeNull()
      }),
    )
  })
})

describe('a mark that rows cannot be stored', () => {
  test('keeps every worker from asking, says why and since when, and ends with the first success', async () => {
    const { db } = connection
    expect(await readStorageState(db)).toBeNull()
    await noteStorageTrouble(db, full, 60_000)
    expect(await reserveRequest(db, requestOf())).toMatchObject({
      granted: false,
      reason: 'storage',
      class: full.class,
      detail: full.detail,
      waitMs: 5_000,
    })
    const first = await readStorageState(db)
    expect(first).toMatchObject(full)
    expect(first?.advice).toContain('Free space')
    expect(Date.now() - Date.parse(first?.since ?? '')).toBeGreaterThanOrEqual(59_000)
    // Another worker notes the trouble, which began later for that worker.
    await noteStorageTrouble(db, full, 0)
    expect((await readStorageState(db))?.since).toBe(first?.since)
    await clearStorageTrouble(db)
    expect(await readStorageState(db)).toBeNull()
    await granted(db)
  })

  test('runs out by itself when whoever noted it is lost', async () => {
    const { db } = connection
    await noteStorageTrouble(db, full, 0)
    const age = (seconds: number) =>
      db.execute(sql`UPDATE provider_state SET storage_failed_at = now() - ${seconds} * interval '1 s'`)
    await age(16)
    await granted(db)
    expect(await readStorageState(db)).toMatchObject(full)
    await age(31)
    expect(await readStorageState(db)).toBeNull()
  })

  test('a server that takes no writes is told without one, by its name', async () => {
    const { db } = connection
    await db.execute(sql`SET default_transaction_read_only = on`)
    // One connection of the pool has the setting now.
    const states = await Promise.all(Array.from({ length: 8 }, () => readStorageState(db)))
    const told = states.filter((state) => state !== null)
    expect(told[0]).toMatchObject({ class: 'read_only', since: null })
    expect(told[0]?.detail).toMatch(/default_transaction_read_only is on for .+ at .+:\d+\.$/)
  })
})

describe('trying to store', () => {
  test('leaves nothing behind', async () => {
    const { db } = connection
    await tryToStore(db)
    expect(await db.execute(sql`SELECT FROM symbols`)).toHaveLength(0)
    expect(await db.execute(sql`SELECT FROM financial_data`)).toHaveLength(0)
  })

  test.each(['ACCESS EXCLUSIVE', 'SHARE'])('says who holds a lock in mode %s on the rows', async (mode) => {
    const { db } = connection
    const other = postgres(connection.url, { max: 1, connection: { application_name: 'forgotten psql' } })
    try {
      await other.begin(async (tx) => {
        await tx.unsafe(`LOCK TABLE financial_data IN ${mode} MODE`)
        const [{ pid } = { pid: 0 }] = await tx<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`
        const error: unknown = await db
          .transaction(async (locked) => {
            await locked.execute(sql`SET LOCAL lock_timeout = 50`)
            await locked.execute(sql`LOCK TABLE financial_data IN ROW EXCLUSIVE MODE`)
          })
          .catch((one: unknown) => one)
        const trouble = storageTrouble(error)
        if (trouble === null) throw new Error(`not told: ${String(error)}`)
        expect((await explainTrouble(db, trouble)).detail).toMatch(
          new RegExp(`process ${pid} \\(forgotten psql, user \\w+, since \\d{4}-.+Z\\) holds a lock`),
        )
      })
    } finally {
      await other.end()
    }
  })
})

describe('a commit whose answer was lost', () => {
  test('is found when rows are stored again: the same counts, nothing twice', async () => {
    const { db } = connection
    const item = await takenItem(db, 'IBM')
    const rejected = [{ date: '2024-01-05', raw: {}, reasons: ['missing_close'] }]
    const stored = await storeSeries(db, item, series({ rejected }))
    expect(stored.inserted).toBe(2)
    // The holder of the item does not know yet that it is stored.
    expect(await lostClaims(db, [item])).toEqual([])
    expect(await storeSeries(db, item, series({ rejected }))).toEqual(stored)
    expect([...(await db.execute(sql`SELECT times FROM rejected_rows`))]).toEqual([{ times: 1 }])
  })

  test('is found when a failure is recorded again: one failure, one attempt', async () => {
    const { db } = connection
    const item = await takenItem(db, 'IBM')
    await failAttempt(db, item, failure, { retryInMs: 1_000 })
    await failAttempt(db, item, failure, { retryInMs: 1_000 })
    const other = await takenItem(db, 'AAPL')
    await failAttempt(db, other, failure, { final: true })
    await failAttempt(db, other, failure, { final: true })
    expect([...(await db.execute(sql`SELECT attempts FROM ingest_items ORDER BY id`))]).toEqual([
      { attempts: 1 },
      { attempts: 1 },
    ])
    expect(await db.execute(sql`SELECT FROM ingest_failures`)).toHaveLength(2)
  })

  test('is found when an item is released again', async () => {
    const { db } = connection
    const item = await takenItem(db, 'IBM')
    await releaseItem(db, item)
    await expect(releaseItem(db, item)).resolves.toBeUndefined()
  })
})
