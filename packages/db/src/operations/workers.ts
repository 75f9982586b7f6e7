import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { QueueProblem } from '@stockpile/domain/cause'
import type { WaitingFor, WorkerWaitingFor } from '@stockpile/domain/waiting'
import type { Limit } from '@stockpile/domain/limit'
import type { Database } from '../database/connection.js'
import { isoInstant } from '../database/instant.js'

/** A worker counts as living while its row is younger. It writes the row every 5 s, so that a lost worker is named within 30 s. */
export const WORKER_LIVES_MS = 20_000

/** What a worker writes of itself. */
export interface WorkerSelf {
  id: string
  /** Names its machine and process, for people. */
  name: string
  version: string
  plan: string
  limits: readonly Limit[]
  /** Null while the worker has no key; `keyProblem` is then a sentence that says why. */
  keyFingerprint: string | null
  keyProblem: string | null
  concurrency: number
  queue: 'redis' | 'postgres'
  /** Why its queue gives or takes no jobs; null while the queue does both. */
  queueProblem: QueueProblem | null
  /** How many milliseconds ago the worker started: a duration, since clocks of machines differ. */
  startedMsAgo: number
  /** What keeps the worker from taking items, and for how many milliseconds at most; null while nothing does. */
  waiting: { for: WaitingFor; reason: string; ms: number } | null
}

/** Writes the worker's row, by the database's clock. A row that was deleted, by hand or by a restore, is written anew. */
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

/** Deletes the row of a worker that was told to stop, so that the worker does not count as lost. */
export async function removeWorker(db: Database, id: string): Promise<void> {
  await db.execute(sql`
    WITH removed AS (DELETE FROM workers WHERE id = ${id}::uuid RETURNING id)
    UPDATE provider_state SET worker_stopped_at = clock_timestamp() WHERE EXISTS (SELECT FROM removed)`)
}

/** Deletes the rows of workers that were lost more than a day ago. */
export async function pruneWorkers(db: Database): Promise<void> {
  await db.execute(sql`DELETE FROM workers WHERE last_seen_at < now() - interval '1 day'`)
}

/** The part of a key's fingerprint that is shown: enough to tell keys apart. */
export function shortFingerprint(fingerprint: string): string {
  return fingerprint.slice(0, 8)
}

/** SQL: whether a row of `workers` is of a living worker. A row from the future is not, so that a clock that was set back revives no lost worker for long. */
export const isLiving = sql`(abs(extract(epoch FROM now() - last_seen_at)) < ${sql.raw(String(WORKER_LIVES_MS / 1_000))})`

/** The stable code of a cause: by the ledger's own count, the requests of a day are spent. */
export const DAY_SPENT = 'daily_limit'

/** SQL: the classes that refuse a key itself, rather than what was asked for with it. */
export const keyClasses = sql`SELECT class FROM refusal_classes WHERE scope = 'key'`

/** SQL: the newest refusal of a key, as class, detail, retry_at and since; no row when the key is not refused, or was accepted since. */
export function keyRefusal(fingerprint: SQL): SQL {
  return sql`
    SELECT newest.class, newest.detail, newest.retry_at,
           coalesce((SELECT min(slot_at) FROM provider_requests AS request
                      WHERE request.key_fingerprint = newest.key_fingerprint AND outcome IN (${keyClasses})
                        AND slot_at > coalesce((SELECT max(slot_at) FROM provider_requests AS accepted
                          WHERE accepted.key_fingerprint = newest.key_fingerprint AND accepted.outcome = 'accepted'), '-infinity')),
                    newest.decided_at) AS since
      FROM provider_access AS newest
     WHERE newest.key_fingerprint = ${fingerprint} AND newest.class IN (${keyClasses})
       AND NOT EXISTS (SELECT FROM provider_access AS other
                        WHERE other.key_fingerprint = newest.key_fingerprint AND other.state = 'accepted')
     ORDER BY newest.retry_at DESC NULLS LAST LIMIT 1`
}

/** Why a worker takes no items. Instants are ISO 8601, UTC. */
export interface WorkerWait {
  for: WorkerWaitingFor
  /** The class of the refusal or of the queue's problem, `missing_key`, DAY_SPENT, or else the same word as `for`. */
  class: string
  reason: string
  since: string | null
  until: string | null
}

/** A worker as it is shown, with its key's fingerprint shortened. Instants are ISO 8601, UTC. */
export interface Worker extends Omit<WorkerSelf, 'startedMsAgo' | 'queueProblem' | 'waiting'> {
  startedAt: string
  lastSeenAt: string
  lives: boolean
  /** Its first wait: for its key, for the day of its plan, for its queue, or what it last wrote itself; null unless it lives. */
  waiting: WorkerWait | null
  /** Its wait for its queue, whatever else the worker waits for; null while the queue gives and takes jobs. */
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
 * Lists the workers that live or were lost within a day, in the order in which they started.
 * @param only `living`: only the living workers, the one first that can send and whose plan allows most
 */
export async function listWorkers(db: Database, only?: 'living'): Promise<Worker[]> {
  const order = only === 'living' ? mostCapableFirst : sql`started_at, id`
  const rows = await db.execute<WorkerRow>(sql`
    SELECT id, name, version, plan, limits, key_fingerprint AS "keyFingerprint", key_problem AS "keyProblem", concurrency, queue,
           CASE WHEN queue_problem IS NOT NULL THEN jsonb_build_object('class', queue_problem_class,
             'reason', queue_problem, 'since', ${isoInstant(sql`queue_problem_since`)}) END AS "queueProblem",
           ${isoInstant(sql`started_at`)} AS "startedAt", ${isoInstant(sql`last_seen_at`)} AS "lastSeenAt", ${isLiving} AS lives,
           CASE WHEN waiting_for IS NOT NULL THEN jsonb_build_object('for', waiting_for, 'reason', waiting_reason,
             'since', ${isoInstant(sql`waiting_since`)}, 'until', ${isoInstant(sql`waiting_until`)}) END AS said,
           CASE WHEN refusal.class IS NOT NULL THEN jsonb_build_object('class', refusal.class, 'detail', refusal.detail,
             'since', ${isoInstant(sql`refusal.since`)}, 'until', ${isoInstant(sql`refusal.retry_at`)}) END AS refused,
           CASE WHEN day.frees_at > now() THEN jsonb_build_object('since', ${isoInstant(sql`day.spent_at`)},
             'until', ${isoInstant(sql`day.frees_at`)}) END AS "daySpent"
      FROM workers
      LEFT JOIN LATERAL (${keyRefusal(sql`workers.key_fingerprint`)}) AS refusal ON true
      LEFT JOIN LATERAL (${daySpent({ limits: sql`workers.limits`, fingerprint: sql`workers.key_fingerprint` })}) AS day ON true
     WHERE ${only === 'living' ? isLiving : sql`true`}
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

/** SQL: when the last request of the day that these limits allow a key was sent, and when the next request fits. */
export function daySpent({ limits, fingerprint }: { limits: SQL; fingerprint: SQL }): SQL {
  return sql`
    SELECT frees_at, (SELECT max(slot_at) FROM provider_requests AS request
                       WHERE slot_at <= now() AND counts_for_key(request, ${fingerprint})) AS spent_at
      FROM provider_limits(${limits}, ${fingerprint}, now()) WHERE name = 'day'`
}

/** SQL: an order of `workers` beside their `refusal`: workers that can send first, then by what their plans allow, the most first. */
export const mostCapableFirst = sql`
  (key_problem IS NULL AND refusal.class IS NULL) DESC, ${most('day')}, ${most('minute')}, ${most('second')}, id`

function most(limit: Limit['name']): SQL {
  return sql`coalesce((SELECT nullif(allowed.max, 0) FROM jsonb_to_recordset(workers.limits) AS allowed(name text, max float8)
                        WHERE allowed.name = ${sql.raw(`'${limit}'`)}), 'infinity') DESC`
}

/** The wait of a living worker that is shown, in the order that `Worker.waiting` names. */
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
    return { for: 'quota', class: DAY_SPENT, reason: 'The requests of this day are spent.', ...spent }
  return queueWait ?? (said === null ? null : { class: said.for, ...said })
}
