import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { connect } from '@stockpile/db/connection'
import { financialData } from '@stockpile/db/schema'
import type { Bar } from '@stockpile/domain/bar'
import postgres from 'postgres'

/** All bars of one symbol. */
export interface Series {
  symbol: string
  bars: readonly Bar[]
}

/** One measurement of one contestant. */
export interface Sample {
  /** How long the part took that counts, without starts and preparations. */
  ms: number
  peakMemoryMb?: number
}

/** Stores the series in an empty, migrated database. */
export type Contestant = (databaseUrl: string, series: readonly Series[]) => Promise<Sample>

export const DEADLINE_MS = 300_000

/** COPY in text format, over some connections at once: the fastest way into the table. */
export function copy(connections: number): Contestant {
  return async (databaseUrl, series) => {
    // The text is made before the clock starts.
    const parts: Buffer[][] = Array.from({ length: connections }, () => [])
    for (const [index, { symbol, bars }] of series.entries()) {
      const text = bars
        .map(
          (bar) =>
            `${symbol}\t${bar.date}\t${bar.open}\t${bar.high}\t${bar.low}\t${bar.close}\t${bar.volume}\n`,
        )
        .join('')
      parts[index % connections]?.push(Buffer.from(text))
    }
    const sql = postgres(databaseUrl, { max: connections })
    await Promise.all(parts.map(() => sql`SELECT pg_sleep(0.05)`))
    const startedAt = performance.now()
    await Promise.all(
      parts.map(async (part) => {
        const stream =
          await sql`COPY financial_data (symbol, date, open_price, high_price, low_price, close_price, volume) FROM STDIN`.writable()
        await pipeline(Readable.from(part), stream)
      }),
    )
    const ms = performance.now() - startedAt
    await sql.end()
    return { ms }
  }
}

/** What a program would write first: drizzle's insert, 1,000 rows a statement. */
export const drizzleInsert: Contestant = async (databaseUrl, series) => {
  const connection = connect({
    databaseUrl,
    applicationName: 'bench',
    maxConnections: 1,
    statementTimeoutMs: DEADLINE_MS,
  })
  const startedAt = performance.now()
  for (const { symbol, bars } of series) {
    for (let from = 0; from < bars.length; from += 1_000) {
      await connection.db.insert(financialData).values(
        bars.slice(from, from + 1_000).map((bar) => ({
          symbol,
          date: bar.date,
          openPrice: bar.open,
          highPrice: bar.high,
          lowPrice: bar.low,
          closePrice: bar.close,
          volume: bar.volume,
        })),
      )
    }
  }
  const ms = performance.now() - startedAt
  await connection.close()
  return { ms }
}

/** An upsert and a transaction for each row; measured on one symbol in fifty and scaled. */
export const rowByRow: Contestant = async (databaseUrl, series) => {
  const some = series.slice(0, Math.max(1, Math.ceil(series.length / 50)))
  const sql = postgres(databaseUrl, { max: 1 })
  const startedAt = performance.now()
  for (const { symbol, bars } of some) {
    for (const bar of bars) {
      await sql`
        INSERT INTO financial_data (symbol, date, open_price, high_price, low_price, close_price, volume)
        VALUES (${symbol}, ${bar.date}, ${bar.open}, ${bar.high}, ${bar.low}, ${bar.close}, ${bar.volume})
        ON CONFLICT (symbol, date) DO UPDATE SET open_price = excluded.open_price, high_price = excluded.high_price,
          low_price = excluded.low_price, close_price = excluded.close_price, volume = excluded.volume`
    }
  }
  const ms = (performance.now() - startedAt) * (series.length / some.length)
  await sql.end()
  return { ms }
}
