import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { PackedBars } from './bars.js'
import type { Transaction } from '../database/connection.js'

export interface UpsertResult {
  inserted: number
  updated: number
  unchanged: number
}

/**
 * Writes the bars of one symbol in one statement: new ones are inserted, changed ones updated and their old values kept
 * in price_revisions, equal ones not touched. Locks the symbol's row first, so that writers of one symbol take turns. A trigger of the table keeps the
 * symbol's totals.
 *
 * The first rows of a symbol are inserted without looking for conflicts, which would cost as much again: with the
 * symbol's row locked nobody else can add any. Arrays as text literals are six parameters whatever the number of rows, ten
 * times the speed of drizzle's `.insert().values()` and a fortieth of its CPU.
 *
 * @param bars with distinct dates: a repeated one is an error (21000) and nothing is written
 */
export async function upsertBars(tx: Transaction, symbol: string, bars: PackedBars): Promise<UpsertResult> {
  const storedRows = await lockSymbol(tx, symbol)
  const written = storedRows === 0 ? await insertFirst(tx, symbol, bars) : await upsert(tx, symbol, bars)
  return { ...written, unchanged: bars.count - written.inserted - written.updated }
}

async function insertFirst(
  tx: Transaction,
  symbol: string,
  bars: PackedBars,
): Promise<{ inserted: number; updated: number }> {
  const { count } = await tx.execute(insertOf(symbol, bars))
  return { inserted: count, updated: 0 }
}

async function upsert(
  tx: Transaction,
  symbol: string,
  bars: PackedBars,
): Promise<{ inserted: number; updated: number }> {
  const [written] = await tx.execute<{ inserted: number; updated: number }>(sql`
    WITH written AS (
      ${insertOf(symbol, bars)} ${updateWhatChanged}
      RETURNING new.symbol, new.date,
        old.open_price AS old_open, old.high_price AS old_high, old.low_price AS old_low, old.close_price AS old_close, old.volume AS old_volume,
        new.open_price AS new_open, new.high_price AS new_high, new.low_price AS new_low, new.close_price AS new_close, new.volume AS new_volume
    ), revised AS (
      INSERT INTO price_revisions (symbol, date,
        old_open_price, old_high_price, old_low_price, old_close_price, old_volume,
        new_open_price, new_high_price, new_low_price, new_close_price, new_volume)
      SELECT * FROM written WHERE old_open IS NOT NULL
    )
    SELECT count(*) FILTER (WHERE old_open IS NULL)::int AS inserted, count(old_open)::int AS updated FROM written`)
  return written ?? { inserted: 0, updated: 0 }
}

/** unnest() in the select list streams the rows; in FROM each column would be kept and read again. */
function insertOf(symbol: string, { columns }: PackedBars): SQL {
  return sql`
    INSERT INTO financial_data AS stored (symbol, date, open_price, high_price, low_price, close_price, volume)
    SELECT ${symbol}::text,
           unnest(${columns.date}::text::date[]),
           unnest(${columns.open}::text::numeric[]),
           unnest(${columns.high}::text::numeric[]),
           unnest(${columns.low}::text::numeric[]),
           unnest(${columns.close}::text::numeric[]),
           unnest(${columns.volume}::text::numeric[])`
}

const updateWhatChanged = sql`
  ON CONFLICT (symbol, date) DO UPDATE SET
    open_price = excluded.open_price, high_price = excluded.high_price, low_price = excluded.low_price,
    close_price = excluded.close_price, volume = excluded.volume
  WHERE (stored.open_price, stored.high_price, stored.low_price, stored.close_price, stored.volume)
    IS DISTINCT FROM
    (excluded.open_price, excluded.high_price, excluded.low_price, excluded.close_price, excluded.volume)`

/** @returns how many rows the symbol has; nobody else changes that before this transaction ends */
async function lockSymbol(tx: Transaction, symbol: string): Promise<number> {
  // An update that changes nothing locks the row, whether or not it was there before.
  const [locked] = await tx.execute<{ rows: number }>(sql`
    INSERT INTO symbols AS known (symbol) VALUES (${symbol})
    ON CONFLICT (symbol) DO UPDATE SET row_count = known.row_count RETURNING row_count AS rows`)
  return locked?.rows ?? 0
}
