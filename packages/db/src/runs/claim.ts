import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { ItemState, NeedlessOutcome } from '@stockpile/domain/item'
import type { Outputsize } from '@stockpile/domain/run'
import type { Database, Transaction } from '../database/connection.js'

/** An item that a worker holds. Every write names `claim`, and is refused once another claim is the current one. */
export interface ClaimedItem {
  id: number
  claim: number
  runId: string
  symbol: string
  /** Failed attempts so far. */
  attempts: number
  outputsize: Outputsize
  force: boolean
  /** Whether the worker took the item to work on nothing else meanwhile. */
  alone: boolean
  /** How often a worker was lost while it worked on nothing but this item. */
  loneLosses: number
  /** Whether the full history is wanted: asked for, or asked as `auto` for a symbol that had no rows. */
  wantsFull: boolean
  /** How often in a row the provider has refused its quota to this item, and since how many milliseconds. */
  refusals: number
  refusedMs: number
  /** Whether another item of the symbol is being worked on. */
  isBeside: boolean
  /** Why no request is needed; null when a request is needed. */
  needless: NeedlessOutcome | null
  /** The id of the failure that answers for the request, as long as nobody insists on another answer; null when there is none. */
  knownFailure: number | null
}

/** The worker holds the item no more: the item was cancelled, finished, or taken by another worker. Nothing was written. */
export class ClaimLostError extends Error {
  override readonly name = 'ClaimLostError'
  constructor(item: { id: number; claim: number }) {
    super(`item ${item.id} is no longer held under claim ${item.claim}`)
  }
}

/** SQL: assignments with which an item waits for nothing. */
export const clearWait = sql`waiting_for = NULL, waiting_reason = NULL`

/**
 * The fence: changes an item only for the holder of its current claim.
 * @throws ClaimLostError when another worker holds the item, or none does; the transaction rolls back then
 */
export async function holdClaim(tx: Transaction, item: ClaimedItem, assignments: SQL): Promise<void> {
  const updated = await tx.execute(sql`
    UPDATE ingest_items SET ${assignments}
     WHERE id = ${item.id} AND claim = ${item.claim} AND state = 'running' RETURNING id`)
  if (updated.length === 0) throw new ClaimLostError(item)
}

/**
 * Runs `write` in a transaction that brings the item to this state. After a commit whose answer was lost with the
 * connection, a second call finds the state: under this claim nobody but its holder can have brought the item there.
 * @returns what `write` gave; null when an earlier call had committed
 * @throws ClaimLostError when another worker holds the item, or the item was cancelled
 */
export async function commitOnce<T>(
  db: Database,
  item: ClaimedItem,
  state: ItemState,
  write: (tx: Transaction) => Promise<T>,
): Promise<T | null> {
  try {
    return await db.transaction(write)
  } catch (error) {
    if (!(error instanceof ClaimLostError)) throw error
    const committed = await db.execute(sql`
      SELECT FROM ingest_items WHERE id = ${item.id} AND claim = ${item.claim} AND state = ${state}`)
    if (committed.length === 0) throw error
    return null
  }
}

/**
 * Finds the items that a worker no longer holds, so that their work may stop. An item that its holder has finished is not
 * among them: the holder may not know yet, when the answer to its commit was lost.
 * @returns the ids of those items
 */
export async function lostClaims(
  db: Database,
  held: readonly { id: number; claim: number }[],
): Promise<number[]> {
  if (held.length === 0) return []
  const rows = await db.execute<{ id: number }>(sql`
    SELECT held.id::float8 AS id
      FROM jsonb_to_recordset(${JSON.stringify(held)}::text::jsonb) AS held(id bigint, claim int)
      LEFT JOIN ingest_items AS item ON item.id = held.id AND item.claim = held.claim AND item.state <> 'cancelled'
     WHERE item.id IS NULL`)
  return rows.map((row) => row.id)
}
