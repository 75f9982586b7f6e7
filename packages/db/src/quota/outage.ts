import { sql } from 'drizzle-orm'
import type { Database } from '../database/connection.js'

/** A request that the provider did not answer, and how outages are judged. */
export interface UnansweredRequest {
  id: number
  symbol: string
  class: string
  /** A sentence for people, without the symbol. */
  detail: string
  /** How many different symbols must fail in a row to make an outage. */
  needed: number
  /** How long to wait before the first probe, in milliseconds; twice as long after each failed probe, up to `longestMs`. */
  firstMs: number
  longestMs: number
  /** One failed probe in each such span of an outage, in milliseconds, is charged to its item as an attempt. */
  attemptMs: number
}

/** Whether the provider is taken to be out of order for all workers. */
export type OutageState =
  | { isOpen: false }
  | {
      isOpen: true
      /** Whether this request opened the outage. */
      isNew: boolean
      /** Whether the failure is charged to its item as an attempt. */
      isAttempt: boolean
      /** How long until the next probe may be sent, in milliseconds. */
      waitMs: number
    }

/**
 * Records that the provider did not answer a request, or answered with an error of its servers. When requests for `needed`
 * different symbols fail so in a row, the provider is taken to be out of order for all workers: `reserveRequest` then lets
 * one request at a time, the probe, find out whether the provider answers again. To be called before `concludeRequest`, which
 * ends the outage at any answer.
 */
export async function noteUnanswered(db: Database, request: UnansweredRequest): Promise<OutageState> {
  const { id, symbol, detail, needed, firstMs, longestMs, attemptMs } = request
  const [row] = await db.execute<{ outage: OutageState }>(sql`
    SELECT note_unanswered_request(${id}::bigint, ${symbol}, ${request.class}, ${detail}, ${needed}::int,
                                   ${firstMs}::float8, ${longestMs}::float8, ${attemptMs}::float8) AS outage`)
  if (row === undefined) throw new Error('note_unanswered_request answered no row')
  return row.outage
}
