import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'

/** Whoever asks every morning learns of it when the answer has changed. */
const REMEMBERED = sql`interval '24 hours'`

/**
 * SQL: the id of the failure that answers for a request, which then need not be sent; null when there is none. It is no
 * older than a day, and nothing of the symbol was fetched since.
 * @param outputsize what would be asked for; null when that is not known yet
 */
export function knownFailure(symbol: SQL, outputsize: SQL): SQL {
  return sql`(
    SELECT known.id FROM ingest_failures AS known
     WHERE known.symbol = ${symbol} AND known.answers IN ('symbol', ${outputsize}) AND known.failed_at > now() - ${REMEMBERED}
       AND NOT EXISTS (
         SELECT FROM ingest_items AS fetched
          WHERE fetched.symbol = known.symbol AND fetched.outcome = 'fetched' AND fetched.finished_at > known.failed_at)
     ORDER BY known.id DESC LIMIT 1)`
}

/**
 * SQL: records that items failed with what is known already, without an attempt of their own. What is known is not known
 * for longer by that.
 * @param items a query of the columns item_id, run_id, symbol and failure_id
 */
export function insertKnownFailures(items: SQL): SQL {
  return sql`
    INSERT INTO ingest_failures (item_id, run_id, symbol, attempt, final, class, detail, advice)
    SELECT item.item_id, item.run_id, item.symbol, 0, true, known.class,
           format('%s Asked on %s; not asked again before %s without force.', known.detail,
             ${minute(sql`known.failed_at`)}, ${minute(sql`known.failed_at + ${REMEMBERED}`)}),
           known.advice
      FROM (${items}) AS item JOIN ingest_failures AS known ON known.id = item.failure_id`
}

function minute(at: SQL): SQL {
  return sql`to_char((${at}) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')`
}
