import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { WORKER_WAITING_FOR, WaitingFor } from '@stockpile/domain/run'
import type { Limit } from '@stockpile/domain/limit'
import type { Database } from '../database/connection.js'
import { isoInstant } from '../database/instant.js'

/** A worker lives while its row is younger: it writes it every 5 s, and one that is lost is named within 30 s. */
export const WORKER_LIVES_MS = 20_000

/** What a worker says of itself. */
export interface WorkerSelf {
  id: string
  /** Of its machine and process, for people. */
  name: string
  version: string
  plan: string
  limits: readonly Limit[]
  /** Null while it has no key; `keyProblem` is then a sentence. */
  keyFingerprint: string | null
  keyProblem: string | null
  concurrency: number
  queue: 'redis' | 'postgres'
  /** Why its queue gives or takes no jobs, `detail` in a sentence; null while it does both. */
  queueProblem: { class: string; detail: string } | null
  /** How long ago it started: told as a duration, since clocks of machines differ. */
  startedMsAgo: number
  /** What keeps it from taking items, and for how long at most; null while nothing does. */
  waiting: { for: WaitingFor; reason: string; ms: number } | null
}

/** Writes the worker's row, by the database's clock. One that was deleted, by hand or by a restore, is there again. */
export async function noteWorker(db: Database, self: WorkerSelf): Promise<void> {
  const { waiting, queueProblem } = self
  const until = waiting === null ? null : sql`clock_timestamp() + ${waiting.ms}::float8 * interval '1 ms'`
  await db.execute(sql`
    INSERT INTO workers AS known
      (id, name, version, plan, limits, key_fingerprint, key_problem, concurrency, queue, queue_problem_class, queue_problem, queue_problem_since,
       started_at, last_seen_at, waiting_for, waiting_reason, waiting_since, waiting_until)
    VALUES (${self.id}::uuid, ${self.name}, ${self.version}, ${self.plan}, ${JSON.stringify(self.limits)}::text::jsonb,
            ${self.keyFingerprint}, ${self.keyProblem}, ${self.concurrency}::int, ${self.queue},
            ${queueProblem?.class ?? null}, ${queueProblem?.detail ?? null}, CASE WHEN ${queueProblem !== null} THEN clock_timestamp() END,
            clock_timestamp() - ${self.startedMsAgo}::float8 * interval '1 ms', clock_timestamp(),
            ${waiting?.for ?? null}, ${waiting?.reason ?? null},
            CASE WHEN ${waiting !== null} THEN clock_timestamp() END, ${until})
    ON CONFLICT (id) DO UPDATE SET
      key_fingerprint = excluded.key_fingerprint, key_problem = excluded.key_problem,
      queue_problem_class = excluded.queue_problem_class, queue_problem = excluded.queue_problem,
      queue_problem_since = CASE WHEN excluded.queue_problem IS NOT NULL
        THEN coalesce(known.queue_problem_since, excluded.queue_problem_since) END,
      last_seen_at = excluded.last_seen_at,
      waiting_for = excluded.waiting_for, waiting_reason = excluded.waiting_reason, waiting_until = excluded.waiting_until,
      waiting_since = CASE WHEN known.waiting_for = excluded.waiting_for THEN known.waiting_since ELSE excluded.waiting_since END`)
}

/** For a worker that stops as it was told to: it is not lost. */
export async function removeWorker(db: Database, id: string): Promise<void> {
  await db.execute(sql`
    WITH removed AS (DELETE FROM workers WHERE id = ${id}::uuid RETURNING id)
    UPDATE provider_state SET worker_stopped_at = clock_timestamp() WHERE EXISTS (SELECT FROM removed)`)
}

/** Forgets workers that were lost more than a day ago. */
export async function pruneWorkers(db: Database): Promise<void> {
  await db.execute(sql`DELETE FROM workers WHERE last_seen_at < now() - interval '1 day'`)
}

/** What of a fingerprint is shown: enough to tell keys apart. */
export function shortFingerprint(fingerprint: string): string {
  return fingerprint.slice(0, 8)
}

/** SQL: whether a row of `workers` is of one that lives. On both sides, so that a clock which was put back revives none for long. */
export const LIVES = sql`(abs(extract(epoch FROM now() - last_seen_at)) < ${sql.raw(String(WORKER_LIVES_MS / 1_000))})`

/** SQL: the columns of the refusal of a key, by its fingerprint; no row unless it is refused, and was not accepted since. */
export function keyRefusal(fingerprint: SQL): SQL {
  return sql`
    SELECT newest.class, newest.detail, newest.retry_at,
           coalesce((SELECT min(slot_at) FROM provider_requests AS request
                      WHERE request.key_fingerprint = newest.key_fingerprint AND outcome IN ('invalid_key', 'demo_key')
                        AND slot_at > coalesce((SELECT max(slot_at) FROM provider_requests AS accepted
                          WHERE accepted.key_fingerprint = newest.key_fingerprint AND accepted.outcome = 'accepted'), '-infinity')),
                    newest.decided_at) AS since
      FROM provider_access AS newest
     WHERE newest.key_fingerprint = ${fingerprint} AND newest.class IN ('invalid_key', 'demo_key')
       AND NOT EXISTS (SELECT FROM provider_access AS other
                        WHERE other.key_fingerprint = newest.key_fingerprint AND other.state = 'accepted')
     ORDER BY newest.retry_at DESC NULLS LAST LIMIT 1`
}

/** Why a worker takes no items. Instants are ISO 8601, UTC, here and below. */
export interface WorkerWait {
  for: (typeof WORKER_WAITING_FOR)[number]
  /** Of the refusal; of a limit its name. */
  class: string
  reason: string
  since: string | null
  until: string | null
}

/** With its key's fingerprint shortened. */
export interface Worker extends Omit<WorkerSelf, 'startedMsAgo' | 'queueProblem' | 'waiting'> {
  startedAt: string
  lastSeenAt: string
  lives: boolean
  /** Of its own key and plan first, then of its queue, then what it last said itself; null unless it lives. */
  waiting: WorkerWait | null
  /** For its queue, whatever else it waits for; null while that gives and takes jobs. */
  queueWait: WorkerWait | null
}

type WorkerRow = Record<string, unknown> &
  Omit<Worker, 'waiting' | 'queueWait'> & {
    queueProblem: Pick<WorkerWait, 'class' | 'reason' | 'since'> | null
    said: { for: WaitingFor; reason: string; since: string | null; until: string | null } | null
    refused: { class: string; detail: string; since: string | null; until: string | null } | null
    daySpent: { since: string | null; until: string } | null
  }

/**
 * The workers that live or were lost within a day, in the order in which they started.
 * @param only `living`: those alone, the one first that can send and whose plan allows most
 */
export async function listWorkers(db: Database, only?: 'living'): Promise<Worker[]> {
  const order = only === 'living' ? MOST_CAPABLE_FIRST : sql`started_at, id`
  const rows = await db.execute<WorkerRow>(sql`
    SELECT id, name, version, plan, limits, key_fingerprint AS "keyFingerprint", key_problem AS "keyProblem", concurrency, queue,
           CASE WHEN queue_problem IS NOT NULL THEN jsonb_build_object('class', queue_problem_class,
             'reason', queue_problem, 'since', ${isoInstant(sql`queue_problem_since`)}) END AS "queueProblem",
           ${isoInstant(sql`started_at`)} AS "startedAt", ${isoInstant(sql`last_seen_at`)} AS "lastSeenAt", ${LIVES} AS lives,
           CASE WHEN waiting_for IS NOT NULL THEN jsonb_build_object('for', waiting_for, 'reason', waiting_reason,
             'since', ${isoInstant(sql`waiting_since`)}, 'until', ${isoInstant(sql`waiting_until`)}) END AS said,
           CASE WHEN refusal.class IS NOT NULL THEN jsonb_build_object('class', refusal.class, 'detail', refusal.detail,
             'since', ${isoInstant(sql`refusal.since`)}, 'until', ${isoInstant(sql`refusal.retry_at`)}) END AS refused,
           CASE WHEN day.frees_at > now() THEN jsonb_build_object('since', ${isoInstant(sql`day.spent_at`)},
             'until', ${isoInstant(sql`day.frees_at`)}) END AS "daySpent"
      FROM workers
      LEFT JOIN LATERAL (${keyRefusal(sql`workers.key_fingerprint`)}) AS refusal ON true
      LEFT JOIN LATERAL (${daySpent({ limits: sql`workers.limits`, fingerprint: sql`workers.key_fingerprint` })}) AS day ON true
     WHERE ${only === 'living' ? LIVES : sql`true`}
     ORDER BY ${order}`)
  return rows.map(({ said, refused, daySpent: spent, queueProblem, ...row }) => {
    const queueWait = queueProblem === null ? null : ({ for: 'queue', until: null, ...queueProblem } as const)
    const worker = { ...row, queueWait }
    return {
      ...worker,
      keyFingerprint: row.keyFingerprint === null ? null : shortFingerprint(row.keyFingerprint),
      waiting: row.lives ? waitOf(worker, { said, refused, daySpent: spent }) : null,
    }
  })
}

/** SQL: when the requests of a day that these limits allow a key were spent, and when the next fits. */
export function daySpent({ limits, fingerprint }: { limits: SQL; fingerprint: SQL }): SQL {
  return sql`
    SELECT frees_at, (SELECT max(slot_at) FROM provider_requests AS request
                       WHERE slot_at <= now() AND counts_for_key(request, ${fingerprint})) AS spent_at
      FROM provider_limits(${limits}, ${fingerprint}, now()) WHERE name = 'day'`
}

/** SQL: an order of `workers` beside their `refusal`: the one first that can send, and whose plan allows most. */
export const MOST_CAPABLE_FIRST = sql`
  (key_problem IS NULL AND refusal.class IS NULL) DESC, ${most('day')}, ${most('minute')}, ${most('second')}, id`

function most(limit: Limit['name']): SQL {
  return sql`coalesce((SELECT nullif(allowed.max, 0) FROM jsonb_to_recordset(workers.limits) AS allowed(name text, max float8)
                        WHERE allowed.name = ${sql.raw(`'${limit}'`)}), 'infinity') DESC`
}

function waitOf(
  { keyProblem, queueWait }: Pick<Worker, 'keyProblem' | 'queueWait'>,
  { said, refused, daySpent: spent }: Pick<WorkerRow, 'said' | 'refused' | 'daySpent'>,
): WorkerWait | null {
  if (keyProblem !== null)
    return { for: 'key', class: 'missing_key', reason: keyProblem, since: said?.since ?? null, until: null }
  if (refused !== null) {
    const { detail: reason, ...refusal } = refused
    return { for: 'key', reason, ...refusal }
  }
  if (spent !== null)
    return { for: 'quota', class: 'daily_limit', reason: 'The requests of this day are spent.', ...spent }
  return queueWait ?? (said === null ? null : { class: said.for, ...said })
}
