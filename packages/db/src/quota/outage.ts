import { sql } from 'drizzle-orm'
import type { Database } from '../database/connection.js'

export interface UnansweredRequest {
  id: number
  symbol: string
  class: string
  /** A sentence for people, without the symbol. */
  detail: string
  /** How many different symbols must fail in a row to make it an outage. */
  needed: number
  /** How long to wait before the first probe; twice as long after each that fails, up to the longest. Milliseconds. */
  firstMs: number
  longestMs: number
  /** One failed probe in each such span of an outage is an attempt of its item. Milliseconds. */
  attemptMs: number
}

export type OutageState =
  | { isOpen: false }
  | {
      isOpen: true
      /** Whether this very request opened it. */
      isNew: boolean
      /** Whether the failure is an attempt of its item all the same. */
      isAttempt: boolean
      /** Until the next probe may be sent. */
      waitMs: number
    }

/**
 * Notes that the provider did not answer a request, or with nothing but an error of its servers. When that happens to so
 * many different symbols in a row, without an answer in between, the provider is taken to be out of order for all workers:
 * `reserveRequest` then lets one request at a time find out whether it is again. Any answer ends it: see
 * `concludeRequest`, which is called after this.
 */
export async function noteUnanswered(db: Database, request: UnansweredRequest): Promise<OutageState> {
  const { id, symbol, detail, needed, firstMs, longestMs, attemptMs } = request
  const [row] = await db.execute<{ outage: OutageState }>(sql`
    SELECT note_unanswered_request(${id}::bigint, ${symbol}, ${request.class}, ${detail}, ${needed}::int,
                                   ${firstMs}::float8, ${longestMs}::float8, ${attemptMs}::float8) AS outage`)
  if (row === undefined) throw new Error('note_unanswered_request answered no row')
  return row.outage
}
