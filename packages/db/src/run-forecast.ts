import { sql } from 'drizzle-orm'
import type { Database } from './connection.js'
import { forecastBook, readBook } from './quota-book.js'
import { PRIORITIES } from './schema.js'

/**
 * Unfinished runs, and how many requests are sent until the last of each, in the order of spending: priority, then age.
 * By run, since an order of all items takes four times as long. A running item whose request is in the book already
 * needs no other; a minute later its worker was lost.
 */
const backlog = sql`
  SELECT waiting.run_id, waiting.items,
         sum(waiting.requests) OVER (
           ORDER BY array_position(${`{${PRIORITIES.join(',')}}`}::text::text[], run.priority), waiting.last_id) AS requests
    FROM (
      SELECT run_id, max(id) AS last_id, count(*) AS items,
             count(*) FILTER (WHERE state = 'pending' OR id NOT IN (
               SELECT item_id FROM provider_requests
                WHERE slot_at > now() - interval '1 minute' AND item_id IS NOT NULL
                  AND coalesce(outcome, 'accepted') = 'accepted')) AS requests
        FROM ingest_items WHERE state IN ('pending', 'running') GROUP BY run_id
    ) AS waiting
    JOIN ingest_runs AS run ON run.id = waiting.run_id`

/**
 * When the last request of each run will have been sent, ISO 8601 in UTC, from the book, the limits and what is ahead
 * of the run. Only unfinished runs are in the answer.
 * @returns null for a run while no worker ever said what the plan is, or while the key is refused
 */
export async function forecastRuns(
  db: Database,
  runIds: readonly string[],
): Promise<Map<string, string | null>> {
  if (runIds.length === 0) return new Map()
  const ahead = await db.execute<{ runId: string; requests: number }>(sql`
    SELECT run_id AS "runId", requests::float8 AS requests FROM (${backlog}) AS backlog
     WHERE run_id = ANY(${`{${runIds.join(',')}}`}::text::uuid[])`)
  if (ahead.length === 0) return new Map()
  const instants = forecastBook(
    await readBook(db),
    ahead.map((run) => run.requests),
  )
  return new Map(ahead.map((run, index) => [run.runId, instants[index] ?? null]))
}

/** What is unfinished, and how many requests it takes. */
export async function countBacklog(db: Database): Promise<{ items: number; requests: number }> {
  const [total] = await db.execute<{ items: number; requests: number }>(sql`
    SELECT coalesce(sum(items), 0)::float8 AS items, coalesce(max(requests), 0)::float8 AS requests FROM (${backlog}) AS backlog`)
  return total ?? { items: 0, requests: 0 }
}
