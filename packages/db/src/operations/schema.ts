import { sql } from 'drizzle-orm'
import { check, integer, jsonb, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { WAITING_FOR } from '@stockpile/domain/waiting'
import { instant, oneOf } from '../database/columns.js'

/** The workers, one row for each process. A worker writes its row at its start and every few seconds, and deletes it when it stops. */
export const workers = pgTable(
  'workers',
  {
    id: uuid('id')
      .primaryKey()
      .default(sql`uuidv7()`),
    /** Names its machine and process, for people. */
    name: text('name').notNull(),
    version: text('version').notNull(),
    plan: text('plan').notNull(),
    /** A list of `Limit`. */
    limits: jsonb('limits').notNull(),
    /** Null while the worker has no key; `key_problem` is then a sentence that says what is missing. */
    keyFingerprint: text('key_fingerprint'),
    keyProblem: text('key_problem'),
    concurrency: integer('concurrency').notNull(),
    /** Where its queue is: `redis` or `postgres`. */
    queue: text('queue').notNull(),
    /** Why its queue gives or takes no jobs: a class, a sentence, and since when; null while the queue does both. */
    queueProblemClass: text('queue_problem_class'),
    queueProblem: text('queue_problem'),
    queueProblemSince: instant('queue_problem_since'),
    startedAt: instant('started_at').notNull().defaultNow(),
    lastSeenAt: instant('last_seen_at').notNull().defaultNow(),
    /** What keeps the worker from sending anything, since when, and when the worker looks at it again; null while nothing does. */
    waitingFor: text('waiting_for', { enum: WAITING_FOR }),
    waitingReason: text('waiting_reason'),
    waitingSince: instant('waiting_since'),
    waitingUntil: instant('waiting_until'),
  },
  (table) => [check('workers_waiting_for', sql`${table.waitingFor} ${oneOf(WAITING_FOR)}`)],
)
