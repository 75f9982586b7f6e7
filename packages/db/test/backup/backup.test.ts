import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { createDatabase } from '@stockpile/test-harness/database'
import { waitFor } from '@stockpile/test-harness/process'
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { backUp } from '../../src/backup/backup.js'
import { FILLED_FROM_THE_START, restore } from '../../src/backup/restore.js'
import { packBars } from '../../src/prices/bars.js'
import { connect } from '../../src/database/connection.js'
import type { Database, Pool } from '../../src/database/connection.js'
import { recount } from '../../src/migrate/derived-data.js'
import { failAttempt } from '../../src/runs/fail-attempt.js'
import { storeSeries } from '../../src/runs/store-series.js'
import { takeItem } from '../../src/runs/items.js'
import { createRun } from '../../src/runs/runs.js'
import { bar, failure, runOf, series, takenItem, useConnection } from '../database.js'

const source = useConnection()
let folder = ''
let file = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stockpile-backup-'))
  file = join(folder, 'a.backup')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Stores rows of every kind: prices, revisions, rejected rows, failures, and a run that is not finished. */
async function fill(db: Pool): Promise<void> {
  const odd = { date: '2024-01-04', raw: { text: 'a\tb\\n\\.\n"ü"' }, reasons: ['volume'] }
  const bars = packBars([bar('2024-01-02', { volume: '6321507.562155' }), bar('2024-01-03')])
  await storeSeries(db, await takenItem(db, 'IBM'), series({ bars, rejected: [odd] }))
  const [second] = (await createRun(db, runOf(['IBM'], { force: true }))).items
  const taken = second === undefined ? null : await takeItem(db, second.id)
  if (taken === null) throw new Error('the item could not be taken again')
  await storeSeries(db, taken, series({ bars: packBars([bar('2024-01-03', { close: '10.5' })]) }))
  await failAttempt(db, await takenItem(db, 'NOSUCH'), failure, { final: true })
  await createRun(db, runOf(['AAPL', 'MSFT']))
}

/** Reads every row of every table as text, and every sequence. */
async function contents(db: Database): Promise<Record<string, string[]>> {
  const tables = await db.execute<{ name: string; kind: string }>(sql`
    SELECT relname AS name, relkind AS kind FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')`)
  const all: Record<string, string[]> = {}
  for (const { name, kind } of tables) {
    const rows = await db.execute<{ text: string }>(
      kind === 'S'
        ? sql`SELECT concat(last_value, is_called) AS text FROM ${sql.identifier(name)}`
        : sql`SELECT one::text AS text FROM ${sql.identifier(name)} AS one ORDER BY 1`,
    )
    all[name] = rows.map(({ text }) => text)
  }
  return all
}

async function target(): Promise<{ url: string; db: Pool }> {
  const database = await createDatabase({ empty: true })
  const { db, close } = connect({
    databaseUrl: database.url,
    applicationName: 'db-test',
    maxConnections: 1,
    statementTimeoutMs: 10_000,
  })
  onTestFinished(async () => {
    await close()
    await database.drop()
  })
  return { url: database.url, db }
}

test('What was backed up is restored to the digit: all tables, sequences and triggers', async () => {
  await fill(source.db)
  const { rows } = await backUp(source.url, file, { simulated: false })
  const into = await target()
  expect(await restore(into.url, file)).toMatchObject({ rows })
  const restored = await contents(into.db)
  expect(restored).toEqual(await contents(source.db))
  expect(restored['financial_data']).toHaveLength(2)
  expect(restored['price_revisions']).toHaveLength(1)
  expect(restored['rejected_rows']?.[0]).toContain('ü')
  const off = await into.db.execute(sql`SELECT tgname FROM pg_trigger WHERE tgenabled <> 'O'`)
  expect([...off]).toEqual([])
  // New ids follow the restored ones, and unfinished items can be taken.
  const [item] = (await createRun(into.db, runOf(['TSLA']))).items
  const [newest] = await into.db.execute<{ id: number }>(sql`SELECT max(id)::int AS id FROM ingest_items`)
  expect(item?.id).toBe(newest?.id)
  const [pending] = await into.db.execute<{ count: number }>(
    sql`SELECT count(*)::int AS count FROM ingest_items WHERE state = 'pending'`,
  )
  expect(pending?.count).toBe(3)
  expect(await into.db.transaction(recount)).toBe(0)
})

test.each([500, 1_500, 2_300, 5_000, 30_000])(
  'A backup of %i rows ends, and holds them all',
  async (rows) => {
    await source.db.execute(sql`
    INSERT INTO financial_data
    SELECT 'S' || number / 1000, date '2020-01-01' + number % 1000, 10, 12, 9, 11, number
      FROM generate_series(1, ${rows}) AS number`)
    await backUp(source.url, file, { simulated: false })
    const into = await target()
    await restore(into.url, file)
    expect(await contents(into.db)).toEqual(await contents(source.db))
  },
)

test('A backup is of one moment, whoever writes meanwhile', async () => {
  await fill(source.db)
  const before = await contents(source.db)
  const over = new AbortController()
  const writing = (async () => {
    for (let run = 0; !over.signal.aborted; run += 1) await createRun(source.db, runOf([`X${run}`]))
  })()
  await backUp(source.url, file, { simulated: false })
  over.abort()
  await writing
  const into = await target()
  await restore(into.url, file)
  const { ingest_runs: runs = [], ingest_items: items = [] } = await contents(into.db)
  expect(runs.length).toBeGreaterThanOrEqual(before['ingest_runs']?.length ?? 0)
  // Each run in the backup has its item, and the first two runs have more.
  expect(items.length - runs.length).toBe(
    (before['ingest_items']?.length ?? 0) - (before['ingest_runs']?.length ?? 0),
  )
})

test('A database that has rows is refused, and keeps them', async () => {
  await fill(source.db)
  await backUp(source.url, file, { simulated: false })
  const before = await contents(source.db)
  await expect(restore(source.url, file)).rejects.toThrow(/has rows already/)
  expect(await contents(source.db)).toEqual(before)
})

test('A database is unused when it has what a new one has', async () => {
  const filled = Object.entries(await contents(source.db)).filter(
    ([name, rows]) => rows.length > 0 && !name.endsWith('_seq'),
  )
  expect(FILLED_FROM_THE_START).toEqual(expect.arrayContaining(filled.map(([name]) => name)))
})

test.each([
  { what: 'cut off', damage: (bytes: Buffer) => bytes.subarray(0, bytes.length - 40) },
  {
    what: 'cut off between lines',
    damage: (bytes: Buffer) => again(bytes, (text) => text.replace(/[^\n]+\n$/, '')),
  },
  {
    what: 'changed by a digit',
    damage: (bytes: Buffer) => again(bytes, (text) => text.replace('11.0000', '11.0001')),
  },
  {
    what: 'without a row',
    damage: (bytes: Buffer) => again(bytes, (text) => text.replace(/^IBM\t2024-01-03.*\n/m, '')),
  },
  { what: 'nothing of ours', damage: () => Buffer.from('PGDMP') },
])('A file that is $what is refused before anything is changed', async ({ damage }) => {
  await fill(source.db)
  await backUp(source.url, file, { simulated: false })
  await writeFile(file, damage(await readFile(file)))
  const into = await target()
  await expect(restore(into.url, file)).rejects.toThrow(/is no whole backup of Stockpile/)
  expect(await contents(into.db)).toEqual({})
})

test.each([
  {
    whose: 'newer',
    change: (list: unknown[]) => [...list, { tag: '9999_x', hash: 'x' }],
    says: /newer than this one/,
  },
  { whose: 'older', change: (list: unknown[]) => list.slice(0, -1), says: /made by an older version/ },
])('A backup of a $whose schema is refused', async ({ change, says }) => {
  await backUp(source.url, file, { simulated: false })
  const altered = again(await readFile(file), (text) => {
    const [head = '', ...rest] = text.split('\n')
    const header: unknown = JSON.parse(head)
    const migrations: unknown =
      typeof header === 'object' && header !== null && 'migrations' in header ? header.migrations : []
    return [
      JSON.stringify({ ...Object(header), migrations: change(Array.isArray(migrations) ? migrations : []) }),
      ...rest,
    ].join('\n')
  })
  await writeFile(file, altered)
  await expect(restore((await target()).url, file)).rejects.toThrow(says)
})

test('A file that exists is not written over, and a failed backup leaves none', async () => {
  await writeFile(file, 'precious')
  await expect(backUp(source.url, file, { simulated: false })).rejects.toThrow(/exists already/)
  const empty = await target()
  await expect(backUp(empty.url, join(folder, 'b'), { simulated: false })).rejects.toThrow(
    /older than this version/,
  )
  expect(await readdir(folder)).toEqual(['a.backup'])
})

/** Locks a table that comes late in a backup, so that its reader waits. */
async function holdSymbols(): Promise<{
  waiting: (howMany: number) => Promise<unknown>
  release: () => Promise<void>
}> {
  const holder = connect({
    databaseUrl: source.url,
    applicationName: 'db-test',
    maxConnections: 1,
    statementTimeoutMs: 10_000,
  })
  await holder.db.execute(sql`BEGIN`)
  await holder.db.execute(sql`LOCK TABLE symbols IN ACCESS EXCLUSIVE MODE`)
  return {
    waiting: (howMany) =>
      waitFor(
        async () => {
          const waiters = await holder.db.execute(
            sql`SELECT FROM pg_locks WHERE relation = 'symbols'::regclass AND NOT granted`,
          )
          return waiters.length === howMany
        },
        { deadlineMs: 10_000, what: 'backups that wait' },
      ),
    release: holder.close,
  }
}

test('An interrupted backup ends at once and leaves no file, and the next one goes on as if there had been none', async () => {
  await fill(source.db)
  const { waiting, release } = await holdSymbols()
  const interrupt = new AbortController()
  const reason = new Error('interrupted')
  const interrupted = backUp(source.url, file, { simulated: false, signal: interrupt.signal })
  await waiting(1)
  expect(await readdir(folder)).toEqual(['a.backup.partial'])
  interrupt.abort(reason)
  await expect(interrupted).rejects.toBe(reason)
  expect(await readdir(folder)).toEqual([])
  await release()
  await writeFile(`${file}.partial`, 'of a process that was killed'.repeat(10_000), { mode: 0o644 })
  await backUp(source.url, file, { simulated: false })
  expect(await readdir(folder)).toEqual(['a.backup'])
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  await restore((await target()).url, file)
})

test('Of two backups into one file at once the later is kept, and the earlier says so', async () => {
  await fill(source.db)
  const { waiting, release } = await holdSymbols()
  const earlier = backUp(source.url, file, { simulated: false })
  await waiting(1)
  const later = backUp(source.url, file, { simulated: false })
  await waiting(2)
  await Promise.all([expect(earlier).rejects.toThrow('Another backup into'), release()])
  await later
  expect(await readdir(folder)).toEqual(['a.backup'])
  await restore((await target()).url, file)
})

test('An interrupted restore leaves the database as it was', async () => {
  await fill(source.db)
  await backUp(source.url, file, { simulated: false })
  const into = await target()
  const interrupt = new AbortController()
  const restored = restore(into.url, file, { signal: interrupt.signal })
  const rows = () =>
    into.db.execute(
      sql`SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = to_regclass('public.symbols')`,
    )
  await waitFor(async () => (await rows()).length > 0, {
    deadlineMs: 10_000,
    what: 'a restore that has begun',
  })
  interrupt.abort(new Error('interrupted'))
  await expect(restored).rejects.toThrow('interrupted')
  expect(await into.db.execute(sql`SELECT FROM symbols`)).toEqual([])
  await restore(into.url, file)
})

function again(bytes: Buffer, change: (text: string) => string): Buffer {
  return gzipSync(change(gunzipSync(bytes).toString('utf8')))
}
