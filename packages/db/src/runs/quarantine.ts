import type { RejectedRow } from '@stockpile/domain/bar'
import { sql } from 'drizzle-orm'
import type { PackedBars } from '../prices/bars.js'
import type { Transaction } from '../database/connection.js'

/**
 * Puts rejected records in quarantine, each once however often it comes. Then resolves the quarantined records of the days
 * for which a sound row came, even when the row came unchanged.
 * @param bars the sound rows; undefined when none came
 */
export async function quarantine(
  tx: Transaction,
  item: { id: number; symbol: string },
  rows: readonly RejectedRow[],
  bars?: PackedBars,
): Promise<void> {
  // Of equal records the last is kept: it has all reasons, while the first lacks that it is repeated.
  if (rows.length > 0)
    await tx.execute(sql`
      WITH given AS (
        SELECT DISTINCT ON (md5((row->'raw')::text)) (row->>'date')::date AS date, row->'raw' AS raw,
               ARRAY(SELECT jsonb_array_elements_text(row->'reasons')) AS reasons, position
          FROM jsonb_array_elements(${JSON.stringify(rows)}::text::jsonb) WITH ORDINALITY AS listed(row, position)
         ORDER BY md5((row->'raw')::text), position DESC
      ), kept AS (
        INSERT INTO rejected_rows AS known (symbol, date, raw, reasons)
        SELECT ${item.symbol}, date, raw, reasons FROM given ORDER BY position
        ON CONFLICT (symbol, md5(raw::text)) DO UPDATE SET times = known.times + 1, reasons = excluded.reasons,
          last_rejected_at = now(), resolved_at = NULL
        RETURNING id
      )
      INSERT INTO item_rejected_rows (item_id, rejected_row_id)
      SELECT ${item.id}::bigint, id FROM kept ON CONFLICT DO NOTHING`)
  if (bars !== undefined)
    await tx.execute(sql`
      UPDATE rejected_rows SET resolved_at = now()
       WHERE symbol = ${item.symbol} AND resolved_at IS NULL AND date = ANY(${bars.columns.date}::text::date[])`)
}
