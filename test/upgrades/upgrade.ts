import { readCatalog } from '@stockpile/db/catalog'
import { checkDatabase } from '@stockpile/db/check'
import { connect } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import { listFinancialData } from '@stockpile/db/financial-data'
import { takeItem } from '@stockpile/db/items'
import { discardRequest, reserveRequest } from '@stockpile/db/ledger'
import { migrate } from '@stockpile/db/migrate'
import { readQuota } from '@stockpile/db/quota-report'
import { createRun } from '@stockpile/db/runs'
import postgres from 'postgres'
import { applyAsThen } from './apply.js'
import { differences, readContents } from './contents.js'
import { fill } from './fill.js'
import type { SchemaState } from './history.js'

export interface Upgrade {
  /** How many rows of prices were written. */
  stored: number
  /** How many rows an API counts, before and after; null where the state kept no totals. */
  countedBefore: number | null
  counted: number
  repaired: string[]
  corrected: number
  ms: number
  /** A sentence for each difference from a fresh database with the same rows. */
  problems: string[]
}

/** A later state's `migrate` refuses this state's migrations, so that no database went through both. */
export class NoSuchDatabaseError extends Error {
  override readonly name = 'NoSuchDatabaseError'
}

/**
 * Makes a database as `state` did and fills it; with `via`, migrates it as a later build did and fills it again; then runs
 * today's `migrate`, and compares.
 * @param databaseUrl of an empty database
 * @param catalog the lines of a fresh database's catalog
 * @throws NoSuchDatabaseError
 */
export async function upgrade(
  databaseUrl: string,
  catalog: readonly string[],
  state: SchemaState,
  via: SchemaState | null,
): Promise<Upgrade> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} })
  const connection = connect({
    databaseUrl,
    applicationName: 'upgrades',
    maxConnections: 2,
    statementTimeoutMs: 10_000,
  })
  try {
    await applyAsThen(sql, state)
    let stored = await fill(sql, { firstDay: '2019-12-30', days: 240, symbols: ['AAPL', 'IBM', 'IBN', 'X'] })
    if (via !== null) {
      try {
        await applyAsThen(sql, via)
      } catch (error) {
        throw new NoSuchDatabaseError(`${via.commit} could not migrate it`, { cause: error })
      }
      stored += await fill(sql, {
        firstDay: '2020-09-01',
        days: 450,
        symbols: ['IBM', 'IBN', 'MSFT', 'X', 'Y'],
      })
    }
    // Columns that a later migration drops are not compared. Of rejected_rows all are read, since one that is gone counts them.
    const left = new Set(catalog.map((line) => line.match(/^column public\.(\S+)/)?.[1]))
    const before = await readContents(
      sql,
      (table, column) => table === 'rejected_rows' || left.has(`${table}.${column}`),
    )
    const countedBefore = await countAsThen(sql)
    const begin = performance.now()
    const { repaired, corrected } = await migrate(databaseUrl)
    const ms = performance.now() - begin
    const problems = await differences(sql, before)
    const counted = await ask(connection, problems)
    const [rows] = await sql<{ count: number }[]>`SELECT count(*)::int AS count FROM financial_data`
    if (rows?.count !== stored) problems.push(`${stored} rows were stored, ${rows?.count} are there`)
    if (counted !== stored) problems.push(`the API counts ${counted} rows of ${stored}`)
    problems.push(...unlike(catalog, await readCatalog(connection.db)))
    for (const { name, found, advice } of await checkDatabase(connection.db))
      if (advice !== null) problems.push(`the check says of ${name}: ${found}`)
    const again = await migrate(databaseUrl)
    if (again.migrations > 0 || again.functions || again.repaired.length > 0)
      problems.push('a second migration had something left to do')
    return { stored, countedBefore, counted, repaired, corrected, ms, problems }
  } finally {
    await connection.close()
    await sql.end()
  }
}

/** The count that the state's API answered with: the sum of its totals. */
async function countAsThen(sql: postgres.Sql): Promise<number | null> {
  const [known] = await sql<
    { prefixes: boolean }[]
  >`SELECT to_regclass('symbol_prefixes') IS NOT NULL AS prefixes`
  if (known?.prefixes !== true) return null
  const [total] = await sql<{ rows: number }[]>`SELECT sum(row_count)::int AS rows FROM symbol_prefixes`
  return total?.rows ?? null
}

/** Runs the first statements of the API and of a worker. @returns the count of all rows */
async function ask({ db }: Connection, problems: string[]): Promise<number> {
  try {
    const { count, rows } = await listFinancialData(db, {}, { limit: 10, offset: 0 })
    if (rows.length !== 10) problems.push(`a page of 10 had ${rows.length} rows`)
    await readQuota(db)
    const run = await createRun(db, {
      symbols: ['NEW'],
      trigger: 'api',
      outputsize: 'auto',
      force: false,
      priority: 'normal',
    })
    const item = await takeItem(db, run.items[0]?.id ?? 0)
    if (item === null) problems.push('a new item could not be taken')
    const limits = [{ name: 'minute' as const, max: 1_000, windowMs: 60_000, marginMs: 0 }]
    const slot = await reserveRequest(db, {
      limits,
      fingerprint: 'another',
      function: 'TIME_SERIES_DAILY',
      outputsize: 'compact',
      itemId: item?.id ?? null,
    })
    if (slot.granted) await discardRequest(db, slot.id)
    else problems.push(`no slot was to be had: ${slot.reason}`)
    return count
  } catch (error) {
    problems.push(
      `a query of today failed: ${String(error instanceof Error ? (error.cause ?? error) : error)}`,
    )
    return 0
  }
}

function unlike(expected: readonly string[], actual: readonly string[]): string[] {
  const [wanted, found] = [new Set(expected), new Set(actual)]
  return [
    ...expected.filter((line) => !found.has(line)).map((line) => `the catalog lacks: ${line}`),
    ...actual.filter((line) => !wanted.has(line)).map((line) => `the catalog has beside: ${line}`),
  ]
}
