import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { RUN_WAITING_FOR } from '@stockpile/domain/run'
import type { Database } from '../database/connection.js'
import { isoInstant } from '../database/instant.js'
import { readStorageState } from './storage-state.js'
import type { StorageState } from './storage-state.js'
import { daySpent, keyRefusal, listWorkers, LIVES } from './workers.js'
import type { Worker, WorkerWait } from './workers.js'

/** Why nothing is sent. Instants are ISO 8601, UTC. */
export interface Cause {
  for: (typeof RUN_WAITING_FOR)[number]
  class: string
  /** Null where that is not known, or never was otherwise. */
  since: string | null
  /** A sentence. */
  detail: string
  /** What a person should do. */
  advice: string
  /** When it is looked at again; null: nobody can say. */
  until: string | null
}

export const KEY_ADVICE =
  'Set a valid key of your own: work goes on by itself once it is in the file of ALPHAVANTAGE_API_KEY_FILE; with ALPHAVANTAGE_API_KEY, start the worker again.'
const NO_WORKER_ADVICE =
  'Start a worker; one that should be there says at the end of its log why it is not. Work goes on by itself once one lives.'
const LOST_WORKER_ADVICE =
  'It was killed, is frozen or cannot reach the database: look at the end of its log, and start it again. Work goes on by itself once a worker lives.'
const QUEUE_DOWN_ADVICE =
  'Look whether the Redis of REDIS_URL, or without one the database, is up and not full; work then goes on by itself.'
const QUEUE_FULL_ADVICE =
  'Make room in the memory or on the disk of the Redis of REDIS_URL, or point it to one that takes writes; work then goes on by itself.'
const QUOTA_ADVICE = 'Nothing: work goes on by itself. A larger plan, set as ALPHAVANTAGE_PLAN, waits less.'
const UNREACHABLE_ADVICE =
  'Check the network, the names and the proxy of the machine of the workers, and ALPHAVANTAGE_BASE_URL. One request at a time finds out when the provider answers again; work then goes on by itself.'
const FAILING_ADVICE =
  'Nothing: the provider fails. One request at a time finds out when it answers again; work then goes on by itself.'

const INTERCEPTED_ADVICE =
  'Something in between seems to answer in place of the provider: check the proxy and the login page of the network of the workers, and ALPHAVANTAGE_BASE_URL. One request at a time finds out when the provider answers again; work then goes on by itself.'

/** Classes of an outage in which the answers were nothing that the provider answers with. */
const INTERCEPTED: ReadonlySet<string> = new Set(['http_rejected', 'redirect', 'bad_payload'])

/** Classes of an outage in which the provider was not heard at all. */
const UNHEARD: ReadonlySet<string> = new Set(['network', 'timeout'])

/** What `causesOf` goes by: workers that live, and what PostgreSQL knows of the rest. */
export interface Situation {
  /** The most capable first. */
  living: readonly Pick<Worker, 'waiting' | 'queueWait'>[]
  /** When a worker that lives no more was last there; null when none ever was. */
  lastSeenAt: string | null
  /** Whether that one stopped as it was told to. */
  stopped: boolean
  storage: StorageState | null
  outage: { class: string; detail: string; since: string; until: string | null } | null
  blocked: { class: string; detail: string; since: string | null; until: string } | null
  /** Of the key and plan that were used last, which count while no worker lives. */
  last: { key: WorkerWait | null; quota: WorkerWait | null }
}

/**
 * Everything that lets nothing be sent at the moment, first what a person has to do something about first: without a
 * worker nothing else is looked at; what cannot be stored is not to be asked for; without the queue no worker takes an
 * item; then the key, without which nothing is sent; then the provider, and the quota, which goes on by itself. What holds
 * up some workers while others go on is no cause.
 */
export async function readCauses(db: Database): Promise<Cause[]> {
  const storage = await readStorageState(db)
  const living = await listWorkers(db, 'living')
  const [row] = await db.execute<Record<string, unknown> & Omit<Situation, 'living' | 'storage'>>(sql`
    SELECT ${isoInstant(sql`greatest(lost.seen_at, worker_stopped_at, CASE WHEN lost.seen_at IS NULL THEN published_at END)`)} AS "lastSeenAt",
           lost.seen_at IS NULL OR worker_stopped_at > lost.seen_at AS stopped,
           CASE WHEN outage_since IS NOT NULL THEN jsonb_build_object('class', outage_class, 'detail', outage_detail,
             'since', ${isoInstant(sql`outage_since`)}, 'until', ${isoInstant(sql`outage_probe_at`)}) END AS outage,
           CASE WHEN blocked.blocked_until IS NOT NULL THEN jsonb_build_object('class', blocked_class, 'detail', blocked_detail,
             'until', ${isoInstant(sql`blocked.blocked_until`)}, 'since', ${isoInstant(sql`(
               SELECT max(slot_at) FROM provider_requests AS request
                WHERE outcome = blocked_class AND request.key_fingerprint = blocked.key_fingerprint)`)}) END AS blocked,
           jsonb_build_object(
             'key', CASE WHEN refusal.class IS NOT NULL THEN jsonb_build_object('for', 'key', 'class', refusal.class,
               'reason', refusal.detail, 'since', ${isoInstant(sql`refusal.since`)}, 'until', ${isoInstant(sql`refusal.retry_at`)}) END,
             'quota', CASE WHEN day.frees_at > now() THEN jsonb_build_object('for', 'quota', 'class', 'daily_limit',
               'reason', 'The requests of this day are spent.', 'since', ${isoInstant(sql`day.spent_at`)},
               'until', ${isoInstant(sql`day.frees_at`)}) END) AS last
      FROM provider_state AS state
     CROSS JOIN (SELECT max(last_seen_at) AS seen_at FROM workers) AS lost
      LEFT JOIN LATERAL (${keyRefusal(sql`state.key_fingerprint`)}) AS refusal ON true
      LEFT JOIN LATERAL (${daySpent({ limits: sql`state.limits`, fingerprint: sql`state.key_fingerprint` })}) AS day ON true
      LEFT JOIN LATERAL (${keyBlock(sql`state.key_fingerprint`)}) AS blocked ON true`)
  if (row === undefined) throw new Error('provider_state has no row: its migration inserts it')
  return causesOf({ ...row, living, storage })
}

/**
 * SQL: of the keys that living workers have the one first that may be used again, when none may be used now; while no such
 * worker lives, of the key that was used last.
 */
function keyBlock(last: SQL): SQL {
  return sql`
    WITH living AS (
      SELECT DISTINCT key_fingerprint FROM workers WHERE ${LIVES} AND key_fingerprint IS NOT NULL
    ), used AS (
      SELECT key_fingerprint FROM living UNION ALL SELECT ${last} WHERE NOT EXISTS (SELECT FROM living)
    ), blocked AS (
      SELECT keys.* FROM used JOIN provider_keys AS keys USING (key_fingerprint) WHERE blocked_until > now()
    )
    SELECT * FROM blocked WHERE (SELECT count(*) FROM blocked) = (SELECT count(*) FROM used)
     ORDER BY blocked_until LIMIT 1`
}

/** The same from what was read. */
export function causesOf(situation: Situation): Cause[] {
  const { living, storage, outage, blocked, lastSeenAt } = situation
  // Where nothing can be written no worker can say that it lives: its row tells nothing then.
  const isUntold = storage?.class === 'read_only'
  const causes: Cause[] = []
  if (living.length === 0 && !isUntold) causes.push(withoutWorker(situation))
  if (storage !== null)
    causes.push({
      for: 'storage',
      class: storage.class,
      // Since the last that was written.
      since: storage.since ?? lastSeenAt,
      detail: storage.detail,
      advice: storage.advice,
      until: null,
    })
  const waits = living.length === 0 ? [situation.last.key ?? situation.last.quota] : living.map(stopOf)
  const stops = waits.filter((wait) => wait !== null)
  const [queue] = living.flatMap(({ queueWait }) => queueWait ?? []).toSorted(byBegin)
  const isStopped =
    living.length === 0
      ? stops.length > 0
      : living.every((worker) => worker.queueWait !== null || stopOf(worker) !== null)
  const goesOn = living.some((worker) => worker.queueWait === null && stopOf(worker)?.for === 'quota')
  if (isStopped && !goesOn && queue !== undefined) causes.push(causeOf(queue, queueAdvice(queue)))
  const [spent] = stops.filter((wait) => wait.for === 'quota').toSorted(byEnd)
  const [key] = stops.filter((wait) => wait.for === 'key').toSorted(byEnd)
  // Who waits for the quota goes on by itself, even where the others have no key.
  if (isStopped && spent === undefined && key !== undefined) causes.push(causeOf(key, KEY_ADVICE))
  // Nobody looks for its end while no worker lives.
  if (outage !== null && living.length > 0)
    causes.push({
      for: 'provider',
      ...outage,
      detail: `The provider does not answer: ${outage.detail}`,
      advice: adviceOnOutage(outage),
    })
  if (blocked !== null) causes.push({ for: 'quota', ...blocked, advice: QUOTA_ADVICE })
  else if (isStopped && spent !== undefined) causes.push(causeOf(spent, QUOTA_ADVICE))
  return causes
}

/** What to do about a queue that gives or takes no jobs. */
export function queueAdvice(problem: { class: string }): string {
  return problem.class === 'queue_refuses_jobs' ? QUEUE_FULL_ADVICE : QUEUE_DOWN_ADVICE
}

/** Whether the provider was not heard at all, rather than heard to fail. */
export function isUnheard(cause: { class: string }): boolean {
  return UNHEARD.has(cause.class)
}

function adviceOnOutage(outage: { class: string }): string {
  if (isUnheard(outage)) return UNREACHABLE_ADVICE
  return INTERCEPTED.has(outage.class) ? INTERCEPTED_ADVICE : FAILING_ADVICE
}

function withoutWorker({ lastSeenAt, stopped }: Situation): Cause {
  const common = { for: 'worker', since: lastSeenAt, until: null } as const
  if (lastSeenAt === null)
    return {
      ...common,
      class: 'no_worker',
      detail: 'No worker has ever started.',
      advice: NO_WORKER_ADVICE,
    }
  if (stopped)
    return {
      ...common,
      class: 'no_worker',
      detail: `No worker lives: the last stopped at ${lastSeenAt}.`,
      advice: NO_WORKER_ADVICE,
    }
  return {
    ...common,
    class: 'worker_lost',
    detail: `No worker lives: the last was seen at ${lastSeenAt}.`,
    advice: LOST_WORKER_ADVICE,
  }
}

/** Of what stops a worker by itself: its key and its day. The rest is the same for all. */
function stopOf({ waiting }: Pick<Worker, 'waiting'>): WorkerWait | null {
  if (waiting === null) return null
  return waiting.for === 'key' || waiting.class === 'daily_limit' ? waiting : null
}

/** The first to end first; one whose end nobody can say last. */
function byEnd(one: WorkerWait, other: WorkerWait): number {
  return endOf(one) - endOf(other)
}

function byBegin(one: WorkerWait, other: WorkerWait): number {
  return (one.since ?? '').localeCompare(other.since ?? '')
}

function endOf({ until }: WorkerWait): number {
  return until === null ? Number.MAX_SAFE_INTEGER : Date.parse(until)
}

function causeOf(wait: WorkerWait, advice: string): Cause {
  const { reason: detail, ...rest } = wait
  return { ...rest, detail, advice }
}
