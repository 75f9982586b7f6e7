import { createHash } from 'node:crypto'
import { sql } from 'drizzle-orm'
import type { Database, Transaction } from '../database/connection.js'

/** The Idempotency-Key was used within the last day for another request. */
export class IdempotencyMismatchError extends Error {
  override readonly name = 'IdempotencyMismatchError'
}

/** The first request with this Idempotency-Key is still under way. */
export class IdempotencyBusyError extends Error {
  override readonly name = 'IdempotencyBusyError'
}

/** How long a repeated request waits for the first one: less than the API's statement timeout. */
const WAIT_MS = 5_000

/**
 * Does the work of a request once for each Idempotency-Key. A request that repeats the key within 24 h gets the first
 * answer; a concurrent one waits for it. One transaction holds work and answer, so that both are kept or neither is.
 * @param options.request what was asked for, with defaults filled in; its JSON tells a repetition from another request
 * @param recall makes the answer of a repetition from the remembered one, which an earlier version of the code may have made
 * @throws IdempotencyMismatchError when the key came with another request
 * @throws IdempotencyBusyError when the first request takes longer than 5 s
 */
export async function oncePerKey<T>(
  db: Database,
  { key, request }: { key: string; request: unknown },
  work: (tx: Transaction) => Promise<{ runId: string; answer: T }>,
  recall: (tx: Transaction, known: { runId: string; answer: unknown }) => Promise<T>,
): Promise<{ answer: T; repeated: boolean }> {
  const requestHash = createHash('sha256').update(JSON.stringify(request)).digest('hex')
  return db.transaction(async (tx) => {
    await lock(tx, key)
    const [known] = await tx.execute<{ same: boolean; runId: string; answer: unknown }>(sql`
      SELECT request_hash = ${requestHash} AS same, run_id AS "runId", answer FROM idempotency_keys
       WHERE key = ${key} AND created_at > now() - interval '24 hours'`)
    if (known !== undefined) {
      if (!known.same) throw new IdempotencyMismatchError('the key was used for another request')
      return { answer: await recall(tx, known), repeated: true }
    }
    const { runId, answer } = await work(tx)
    await tx.execute(sql`
      INSERT INTO idempotency_keys (key, request_hash, run_id, answer)
      VALUES (${key}, ${requestHash}, ${runId}::uuid, ${JSON.stringify(answer)}::text::jsonb)
      ON CONFLICT (key) DO UPDATE SET request_hash = excluded.request_hash, run_id = excluded.run_id,
        answer = excluded.answer, created_at = excluded.created_at`)
    return { answer, repeated: false }
  })
}

/** Forgets keys that are older than 24 hours. */
export async function pruneIdempotencyKeys(db: Database): Promise<void> {
  await db.execute(sql`DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'`)
}

async function lock(tx: Transaction, key: string): Promise<void> {
  await tx.execute(sql`SELECT set_config('lock_timeout', ${String(WAIT_MS)}, true)`)
  try {
    await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtextextended(${key}, 0))`)
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined
    if (cause instanceof Error && 'code' in cause && cause.code === '55P03')
      throw new IdempotencyBusyError('the first request with this key is still under way')
    throw error
  }
}
