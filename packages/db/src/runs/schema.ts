import { sql } from 'drizzle-orm'
import { bigint, boolean, check, index, integer, jsonb, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { ITEM_OUTCOMES, ITEM_STATES, WARNING_CODES } from '@stockpile/domain/item'
import { FETCHED_OUTPUTSIZES, OUTPUTSIZES, PRIORITIES, RUN_TRIGGERS } from '@stockpile/domain/run'
import { WAITING_FOR } from '@stockpile/domain/waiting'
import type { WarningCode } from '@stockpile/domain/item'
import { symbolText, instant, oneOf } from '../database/columns.js'

/**
 * SQL, of an item: when it has each warning. `restated` takes five changed days or more, and a tenth of the days that came
 * again: the vendor settles the newest row or two on the next day as a rule.
 */
const WARNINGS: Record<WarningCode, string> = {
  newest_row_rejected: 'newest_rejected',
  // The item's own request, or the request of the run that it coalesced with, brought rows, and none could be stored.
  nothing_stored: `outcome IS NOT NULL AND rows_fetched > 0 AND rows_inserted + rows_updated + rows_unchanged = 0`,
  restated: 'rows_updated >= 5 AND rows_updated * 10 >= rows_updated + rows_unchanged',
  rejected_rows_not_kept: 'rows_dropped > 0',
}

/** SQL: whether an item has the warning, in the words of the partial index. */
export const hasWarning = (code: WarningCode) => sql.raw(`'${code}' = ANY (warning_codes)`)

export const ingestRuns = pgTable(
  'ingest_runs',
  {
    id: uuid('id')
      .primaryKey()
      .default(sql`uuidv7()`),
    trigger: text('trigger', { enum: RUN_TRIGGERS }).notNull(),
    outputsize: text('outputsize', { enum: OUTPUTSIZES }).notNull(),
    force: boolean('force').notNull(),
    priority: text('priority', { enum: PRIORITIES }).notNull(),
    requestedAt: instant('requested_at').notNull().defaultNow(),
    cancelledAt: instant('cancelled_at'),
  },
  (table) => [
    index('ingest_runs_requested').on(table.requestedAt, table.id),
    check('ingest_runs_trigger', sql`${table.trigger} ${oneOf(RUN_TRIGGERS)}`),
    check('ingest_runs_outputsize', sql`${table.outputsize} ${oneOf(OUTPUTSIZES)}`),
    check('ingest_runs_priority', sql`${table.priority} ${oneOf(PRIORITIES)}`),
  ],
)

/** One symbol of a run: `pending → running → succeeded | failed | cancelled`. */
export const ingestItems = pgTable(
  'ingest_items',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    runId: uuid('run_id')
      .notNull()
      .references(() => ingestRuns.id),
    symbol: symbolText('symbol').notNull(),
    state: text('state', { enum: ITEM_STATES }).notNull().default('pending'),
    /** Failed attempts; a snooze costs none. */
    attempts: integer('attempts').notNull().default(0),
    /** Raised whenever the item is taken; only the holder of the current claim may change the item. */
    claim: integer('claim').notNull().default(0),
    /** Whether the worker took the item to work on nothing else, and how often a worker was lost while it did: then no other item can be the cause. */
    alone: boolean('alone').notNull().default(false),
    loneLosses: integer('lone_losses').notNull().default(0),
    /** What was asked of the provider; null until something was. */
    outputsize: text('outputsize', { enum: FETCHED_OUTPUTSIZES }),
    /** How the item succeeded; null until it has. */
    outcome: text('outcome', { enum: ITEM_OUTCOMES }),
    /** Whether more was wanted than the newest rows, and the key's plan or the symbol has no full history. */
    historyLimited: boolean('history_limited').notNull().default(false),
    waitingFor: text('waiting_for', { enum: WAITING_FOR }),
    /** What the item waits for, in a sentence. */
    waitingReason: text('waiting_reason'),
    /** Since when the provider has done nothing but refuse its quota to the item, and how often. */
    refusedSince: instant('refused_since'),
    refusals: integer('refusals').notNull().default(0),
    /** Whether the symbol had rows when the item was accepted; `auto` means the full history for a symbol without rows. */
    hadRows: boolean('had_rows').notNull().default(true),
    nextAttemptAt: instant('next_attempt_at'),
    /** When the queue was given the item's job; null again once the job of a finished item was withdrawn. */
    dispatchedAt: instant('dispatched_at'),
    startedAt: instant('started_at'),
    finishedAt: instant('finished_at'),
    rowsFetched: integer('rows_fetched').notNull().default(0),
    rowsInserted: integer('rows_inserted').notNull().default(0),
    rowsUpdated: integer('rows_updated').notNull().default(0),
    rowsUnchanged: integer('rows_unchanged').notNull().default(0),
    rowsRejected: integer('rows_rejected').notNull().default(0),
    rowsProvisional: integer('rows_provisional').notNull().default(0),
    /** How many of the rejected rows were counted and not kept, since a body can have too many to keep. */
    rowsDropped: integer('rows_dropped').notNull().default(0),
    /** Whether the newest record of the answer was rejected, so that the symbol lacks its newest row. */
    newestRejected: boolean('newest_rejected').notNull().default(false),
    warningCodes: text('warning_codes')
      .array()
      .notNull()
      .generatedAlwaysAs(
        sql.raw(
          `array_remove(ARRAY[${WARNING_CODES.map((code) => `CASE WHEN ${WARNINGS[code]} THEN '${code}' END`).join(', ')}], NULL)`,
        ),
      ),
  },
  (table) => [
    // With finished_at, so that the end of a run is found by one look for each state.
    index('ingest_items_run').on(table.runId, table.state, table.finishedAt),
    // A run's page, warnings and wait are read by the next indexes: each costs what it shows, not what the run has.
    index('ingest_items_run_order').on(table.runId, table.id),
    ...WARNING_CODES.map((code) =>
      index(`ingest_items_${code}`).on(table.runId, table.id).where(hasWarning(code)),
    ),
    index('ingest_items_waiting_quota')
      .on(table.runId, table.nextAttemptAt)
      .where(sql`${table.state} = 'pending' AND ${table.waitingFor} = 'quota'`),
    index('ingest_items_symbol').on(table.symbol, table.runId),
    // Every look at a run counts the unfinished items ahead of it, while nearly all items are finished.
    index('ingest_items_unfinished')
      .on(table.id, table.runId, table.state)
      .where(sql`${table.state} IN ('pending', 'running')`),
    // The two lists that the dispatcher reads every second, which are nearly always empty.
    index('ingest_items_undispatched')
      .on(table.id)
      .where(sql`${table.state} = 'pending' AND ${table.dispatchedAt} IS NULL`),
    index('ingest_items_withdrawable')
      .on(table.id)
      .where(
        sql`${table.dispatchedAt} IS NOT NULL AND (${table.state} = 'cancelled' OR ${table.outcome} IN ('coalesced', 'up_to_date'))`,
      ),
    check('ingest_items_state', sql`${table.state} ${oneOf(ITEM_STATES)}`),
    check('ingest_items_outputsize', sql`${table.outputsize} ${oneOf(FETCHED_OUTPUTSIZES)}`),
    check('ingest_items_outcome', sql`${table.outcome} ${oneOf(ITEM_OUTCOMES)}`),
    // A succeeded item has an outcome, and a fetched item has rows.
    check(
      'ingest_items_succeeded',
      sql`(${table.outcome} IS NOT NULL) = (${table.state} = 'succeeded') AND (${table.outcome} <> 'fetched' OR ${table.rowsFetched} > 0)`,
    ),
    check('ingest_items_waiting_for', sql`${table.waitingFor} ${oneOf(WAITING_FOR)}`),
    check(
      'ingest_items_rows',
      sql`${table.rowsFetched} = ${table.rowsInserted} + ${table.rowsUpdated} + ${table.rowsUnchanged} + ${table.rowsRejected} + ${table.rowsProvisional}`,
    ),
    check(
      'ingest_items_finished',
      sql`(${table.finishedAt} IS NOT NULL) = (${table.state} IN ('succeeded', 'failed', 'cancelled'))`,
    ),
  ],
)

/** Symbols whose items housekeeping has deleted: the run of a start does not ask for them again. */
export const askedSymbols = pgTable('asked_symbols', { symbol: symbolText('symbol').primaryKey() })

/** Answers to POST /api/ingest, given again to a request that repeats its Idempotency-Key within a day. */
export const idempotencyKeys = pgTable('idempotency_keys', {
  key: text('key').primaryKey(),
  /** The hash of what was asked for, which tells a repetition from another request. */
  requestHash: text('request_hash').notNull(),
  runId: uuid('run_id')
    .notNull()
    .references(() => ingestRuns.id),
  answer: jsonb('answer').notNull(),
  createdAt: instant('created_at').notNull().defaultNow(),
})
