import type postgres from 'postgres'

/** How many requests one system sent, and what became of them. */
export interface Requests {
  sent: number
  /** Requests whose sound answer was not stored, so that another request had to be sent. */
  thrownAway: number
  /** Requests without an answer, since their process was killed, or stopped while it waited. */
  unheard: number
}

/** Counts in the ledger, which has every request (I4 checks that). */
export async function countRequests(sql: postgres.Sql): Promise<Requests> {
  const [counted] = await sql<Requests[]>`
    WITH ledger AS (
      SELECT count(*)::int AS sent, (count(*) FILTER (WHERE outcome = 'accepted'))::int AS accepted,
             (count(*) FILTER (WHERE outcome IS NULL OR outcome = 'aborted'))::int AS unheard
        FROM provider_requests WHERE item_id IS NOT NULL
    ), stored AS (
      -- An answer is of use when its rows were stored, or when it is kept as evidence of a failure.
      SELECT count(*)::int AS items FROM ingest_items WHERE outcome = 'fetched'
          OR EXISTS (SELECT FROM ingest_failures WHERE item_id = ingest_items.id AND class = 'all_rows_rejected')
    )
    SELECT sent, greatest(0, accepted - items) AS "thrownAway", unheard FROM ledger, stored`
  if (counted === undefined) throw new Error('The ledger was not counted')
  return counted
}

/** The ratio of I8: requests sent ÷ requests needed. A request was needed when its answer was of use. */
export function wasteOf({ sent, thrownAway, unheard }: Requests): number {
  const needed = sent - thrownAway - unheard
  return needed === 0 ? 1 : sent / needed
}
