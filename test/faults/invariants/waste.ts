import type postgres from 'postgres'

/** Requests of one system, by what became of them. */
export interface Requests {
  sent: number
  /** Answered soundly, and the answer was not stored: the work of another request had to do. */
  thrownAway: number
  /** Given up, or never heard of: of a process that was killed, or stopped while it waited. */
  unheard: number
}

/** From the book, in which every request is (see I4). */
export async function countRequests(sql: postgres.Sql): Promise<Requests> {
  const [counted] = await sql<Requests[]>`
    WITH book AS (
      SELECT count(*)::int AS sent, (count(*) FILTER (WHERE outcome = 'accepted'))::int AS accepted,
             (count(*) FILTER (WHERE outcome IS NULL OR outcome = 'aborted'))::int AS unheard
        FROM provider_requests WHERE item_id IS NOT NULL
    ), stored AS (
      -- An answer is of use when it was stored, or kept as evidence of what is wrong with it.
      SELECT count(*)::int AS items FROM ingest_items WHERE outcome = 'fetched'
          OR EXISTS (SELECT FROM ingest_failures WHERE item_id = ingest_items.id AND class = 'all_rows_rejected')
    )
    SELECT sent, greatest(0, accepted - items) AS "thrownAway", unheard FROM book, stored`
  if (counted === undefined) throw new Error('The book was not counted')
  return counted
}

/** I8: requests sent ÷ requests needed, which are those whose answer was of use. */
export function wasteOf({ sent, thrownAway, unheard }: Requests): number {
  const needed = sent - thrownAway - unheard
  return needed === 0 ? 1 : sent / needed
}
