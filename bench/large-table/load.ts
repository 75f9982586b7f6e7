import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import postgres from 'postgres'
import { startPrices, tickersOf, tradingDays } from './prices.js'

/** About a year: the triggers count the rows of each statement at its end. */
const DAYS_A_STATEMENT = 250

export interface Size {
  symbols: number
  days: number
}

/**
 * Fills `financial_data` day by day, all symbols a day, as daily appends do: a symbol's rows are scattered over the heap,
 * and the primary key grows at as many places as there are symbols. The triggers keep the totals. VACUUM runs once at the
 * end, where autovacuum would have run after each 10,000 rows.
 */
export async function load(
  databaseUrl: string,
  { symbols, days }: Size,
  log: (line: string) => void,
): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {}, connection: { synchronous_commit: 'off' } })
  try {
    await sql`ALTER TABLE financial_data SET (autovacuum_enabled = false)`
    const startedAt = performance.now()
    const nextDay = startPrices(tickersOf(symbols))
    const dates = tradingDays(days)
    for (let from = 0; from < days; from += DAYS_A_STATEMENT) {
      const some = dates.slice(from, from + DAYS_A_STATEMENT)
      const lines = function* () {
        for (const date of some) yield Buffer.from(nextDay(date))
      }
      const copy =
        await sql`COPY financial_data (symbol, date, open_price, high_price, low_price, close_price, volume) FROM STDIN`.writable()
      await pipeline(Readable.from(lines()), copy)
      const rows = symbols * Math.min(days, from + DAYS_A_STATEMENT)
      log(`${rows} rows, ${Math.round(rows / secondsSince(startedAt))} a second`)
    }
    const loadedAt = performance.now()
    await sql`ALTER TABLE financial_data RESET (autovacuum_enabled)`
    // A statement here changes the totals as often as thousands of a worker's transactions, and the dead rows that it leaves
    // cannot be reused before it ends.
    await sql`VACUUM (FULL) symbols, symbol_prefixes`
    await sql`VACUUM (ANALYZE)`
    log(
      `loaded in ${Math.round((loadedAt - startedAt) / 1_000)} s, vacuumed and analysed in ${Math.round(secondsSince(loadedAt))} s`,
    )
    await assertTotals(sql, symbols * days)
  } finally {
    await sql.end()
  }
}

/** Checks that the totals, by which the API counts, are right from the start. */
async function assertTotals(sql: postgres.Sql, expected: number): Promise<void> {
  const [totals] = await sql<{ stored: string; by_symbol: string; by_prefix: string }[]>`
    SELECT (SELECT count(*) FROM financial_data) AS stored,
           (SELECT sum(row_count) FROM symbols) AS by_symbol, (SELECT sum(row_count) FROM symbol_prefixes) AS by_prefix`
  for (const [name, count] of Object.entries(totals ?? {})) {
    if (Number(count) !== expected) throw new Error(`${name}: ${count} rows instead of ${expected}`)
  }
}

function secondsSince(start: number): number {
  return (performance.now() - start) / 1_000
}
