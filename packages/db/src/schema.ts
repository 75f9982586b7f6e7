import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  customType,
  date,
  index,
  integer,
  jsonb,
  numeric,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'

/** Symbols sort bytewise, whatever the locale of the database: pages and cursors depend on it. */
const symbolText = customType<{ data: string }>({ dataType: () => 'text COLLATE "C"' })
const bits = customType<{ data: string }>({ dataType: () => 'bit varying' })
const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/**
 * Rises with every change of the rows it stands for, so that a sum of versions stands for all of them. From a random
 * start and by random steps: another database, or this one restored from a backup, does not come to the same number
 * with other rows.
 */
const version = () =>
  bigint('version', { mode: 'number' })
    .notNull()
    .default(sql`(random() * 1e12)::bigint`)

export const RUN_TRIGGERS = ['api', 'start'] as const
export const OUTPUTSIZES = ['auto', 'compact', 'full'] as const
export const FETCHED_OUTPUTSIZES = ['compact', 'full'] as const
/** What a failure answers for: see ingest_failures. */
export const FAILURE_ANSWERS = ['symbol', 'compact', 'full'] as const
export const PRIORITIES = ['high', 'normal', 'low'] as const
export const ITEM_STATES = ['pending', 'running', 'succeeded', 'failed', 'cancelled'] as const
/**
 * What a pending item that was taken before waits for: room in the quota, a key that works, a provider that answers, or a
 * database that takes rows.
 */
export const WAITING_FOR = ['quota', 'key', 'provider', 'storage'] as const
/** What a worker waits for: the same, or a queue that gives and takes jobs. */
export const WORKER_WAITING_FOR = [...WAITING_FOR, 'queue'] as const
/** What a run waits for: the same, or a worker, while none lives. */
export const RUN_WAITING_FOR = [...WORKER_WAITING_FOR, 'worker'] as const
/**
 * How an item succeeded: by a request of its own; because another run had fetched the symbol since the item was
 * accepted; or because no request could have brought anything new.
 */
export const ITEM_OUTCOMES = ['fetched', 'coalesced', 'up_to_date'] as const

/** What a person should know of an item though it did not fail. The codes are stable. */
export const WARNING_CODES = [
  'newest_row_rejected',
  'nothing_stored',
  'restated',
  'rejected_rows_not_kept',
] as const
export type WarningCode = (typeof WARNING_CODES)[number]

/**
 * SQL, of an item: when each is said. The newest row or two are settled by the vendor on the next day as a rule: what is
 * restated at once is five days or more, and a tenth of those that came again.
 */
const WARNINGS: Record<WarningCode, string> = {
  newest_row_rejected: 'newest_rejected',
  // Of what was fetched, by itself or by another run for both.
  nothing_stored: `outcome IS NOT NULL AND rows_fetched > 0 AND rows_inserted + rows_updated + rows_unchanged = 0`,
  restated: 'rows_updated >= 5 AND rows_updated * 10 >= rows_updated + rows_unchanged',
  rejected_rows_not_kept: 'rows_dropped > 0',
}

/** SQL: whether an item has the warning, as its index says it. */
export const hasWarning = (code: WarningCode) => sql.raw(`'${code}' = ANY (warning_codes)`)

/** SQL: a check of one column against its values. */
export const oneOf = (values: readonly string[]) =>
  sql.raw(`IN (${values.map((value) => `'${value}'`).join(', ')})`)

/**
 * Every symbol that has rows. Its row is the lock that writers of the symbol take first. Its totals and those of
 * symbol_prefixes are kept by triggers of financial_data, whoever writes it.
 */
export const symbols = pgTable('symbols', {
  symbol: symbolText('symbol').primaryKey(),
  rowCount: integer('row_count').notNull().default(0),
  firstDate: date('first_date', { mode: 'string' }),
  lastDate: date('last_date', { mode: 'string' }),
  /** When the newest request whose answer was stored was sent, and the newest of those for the full history. */
  lastFetchedAt: instant('last_fetched_at'),
  lastFullFetchedAt: instant('last_full_fetched_at'),
  version: version(),
})

/**
 * What the symbols with the same first two characters have together: exact totals, and the way to the page 4,000,000,
 * without looking at each of 10,000 symbols. Locked after the symbol's row, at the commit of a writer's transaction alone.
 */
export const symbolPrefixes = pgTable('symbol_prefixes', {
  prefix: symbolText('prefix').primaryKey(),
  /** Those that have rows. */
  symbolCount: integer('symbol_count').notNull(),
  rowCount: bigint('row_count', { mode: 'number' }).notNull(),
  version: version(),
})

/** The same of the prefixes with the same first character: some 30 rows, where there may be a thousand prefixes. Kept by their triggers. */
export const symbolInitials = pgTable('symbol_initials', {
  initial: symbolText('initial').primaryKey(),
  symbolCount: integer('symbol_count').notNull(),
  rowCount: bigint('row_count', { mode: 'number' }).notNull(),
  version: version(),
})

/**
 * On which days a symbol has rows, a bit for each day of the calendar from `firstDay` on: 20 years are 900 bytes. Counts
 * the days of any range in a microsecond (`days_between`), where rows would have to be read: of all symbols for ten years
 * 4 ms instead of seconds. Kept by the triggers of financial_data, under the lock of the symbol's row.
 */
export const symbolDays = pgTable('symbol_days', {
  symbol: symbolText('symbol').primaryKey(),
  firstDay: date('first_day', { mode: 'string' }).notNull(),
  days: bits('days').notNull(),
})

/**
 * Daily bars, raw as the provider wrote them: `numeric` without a scale keeps its decimals. The primary key
 * INCLUDEs the values (by hand in the migration: drizzle-kit has no word for it), so that reads are
 * index-only: five years of a symbol 0.7 ms instead of 30 ms in a table of 10 M rows.
 */
export const financialData = pgTable(
  'financial_data',
  {
    symbol: symbolText('symbol').notNull(),
    date: date('date', { mode: 'string' }).notNull(),
    openPrice: numeric('open_price').notNull(),
    highPrice: numeric('high_price').notNull(),
    lowPrice: numeric('low_price').notNull(),
    closePrice: numeric('close_price').notNull(),
    /** Of shares, which vendors trade in fractions since 2026. */
    volume: numeric('volume').notNull(),
    /** When the row was first stored: of the statement, which runs with the symbol's row locked, so in the order of commits. */
    createdAt: instant('created_at')
      .notNull()
      .default(sql`statement_timestamp()`),
  },
  (table) => [
    primaryKey({ name: 'financial_data_pkey', columns: [table.symbol, table.date] }),
    // numeric sorts NaN above Infinity: an upper bound on the highest value keeps both out of all four.
    check(
      'financial_data_ohlc',
      sql`${table.lowPrice} >= 0 AND ${table.lowPrice} <= ${table.openPrice} AND ${table.lowPrice} <= ${table.closePrice} AND ${table.openPrice} <= ${table.highPrice} AND ${table.closePrice} <= ${table.highPrice} AND ${table.highPrice} < 'Infinity'`,
    ),
    check('financial_data_volume', sql`${table.volume} >= 0 AND ${table.volume} < 'Infinity'`),
  ],
)

/** Restatements: what a stored value was before it changed, and what it was changed to. Written with the change itself. */
export const priceRevisions = pgTable(
  'price_revisions',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    symbol: symbolText('symbol').notNull(),
    date: date('date', { mode: 'string' }).notNull(),
    oldOpenPrice: numeric('old_open_price').notNull(),
    oldHighPrice: numeric('old_high_price').notNull(),
    oldLowPrice: numeric('old_low_price').notNull(),
    oldClosePrice: numeric('old_close_price').notNull(),
    oldVolume: numeric('old_volume').notNull(),
    newOpenPrice: numeric('new_open_price').notNull(),
    newHighPrice: numeric('new_high_price').notNull(),
    newLowPrice: numeric('new_low_price').notNull(),
    newClosePrice: numeric('new_close_price').notNull(),
    newVolume: numeric('new_volume').notNull(),
    revisedAt: instant('revised_at')
      .notNull()
      .default(sql`statement_timestamp()`),
  },
  (table) => [
    index('price_revisions_row').on(table.symbol, table.date, table.revisedAt),
    index('price_revisions_symbol').on(table.symbol, table.id),
  ],
)

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
    /** Raised at every taking; only the holder of the current one may finish the item. */
    claim: integer('claim').notNull().default(0),
    /** Whether it was last taken to be worked on alone, and how often its worker was lost while it was: then nobody else can have been the cause. */
    alone: boolean('alone').notNull().default(false),
    loneLosses: integer('lone_losses').notNull().default(0),
    /** What was asked of the provider, once something was. */
    outputsize: text('outputsize', { enum: FETCHED_OUTPUTSIZES }),
    /** How it succeeded; null until it has. */
    outcome: text('outcome', { enum: ITEM_OUTCOMES }),
    /** Only the newest rows were to be had of a symbol of which more was wanted: the key's plan, or this symbol, has no full history. */
    historyLimited: boolean('history_limited').notNull().default(false),
    waitingFor: text('waiting_for', { enum: WAITING_FOR }),
    /** What it waits for, in a sentence. */
    waitingReason: text('waiting_reason'),
    /** Since when the provider has refused nothing but its quota for this item, and how often. */
    refusedSince: instant('refused_since'),
    refusals: integer('refusals').notNull().default(0),
    /** Whether the symbol had rows when the item was accepted: without, `auto` means the full history. */
    hadRows: boolean('had_rows').notNull().default(true),
    nextAttemptAt: instant('next_attempt_at'),
    /** When the queue was given the item's job; null again once a cancelled item's job was taken back. */
    dispatchedAt: instant('dispatched_at'),
    startedAt: instant('started_at'),
    finishedAt: instant('finished_at'),
    rowsFetched: integer('rows_fetched').notNull().default(0),
    rowsInserted: integer('rows_inserted').notNull().default(0),
    rowsUpdated: integer('rows_updated').notNull().default(0),
    rowsUnchanged: integer('rows_unchanged').notNull().default(0),
    rowsRejected: integer('rows_rejected').notNull().default(0),
    rowsProvisional: integer('rows_provisional').notNull().default(0),
    /** Of the rejected rows those that were counted and not kept: a body has too many to keep. */
    rowsDropped: integer('rows_dropped').notNull().default(0),
    /** Whether the newest record of its answer was rejected: what the symbol has is then not all there is. */
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
    // With when each ended, so that the last end of a run is found by a look at each state.
    index('ingest_items_run').on(table.runId, table.state, table.finishedAt),
    // What a run's page, warnings and wait are read from: each costs what it shows, not what the run has.
    index('ingest_items_run_order').on(table.runId, table.id),
    ...WARNING_CODES.map((code) =>
      index(`ingest_items_${code}`).on(table.runId, table.id).where(hasWarning(code)),
    ),
    index('ingest_items_waiting_quota')
      .on(table.runId, table.nextAttemptAt)
      .where(sql`${table.state} = 'pending' AND ${table.waitingFor} = 'quota'`),
    index('ingest_items_symbol').on(table.symbol, table.runId),
    // What is ahead of a run is counted at every look at it; finished items are nearly all there are.
    index('ingest_items_unfinished')
      .on(table.id, table.runId, table.state)
      .where(sql`${table.state} IN ('pending', 'running')`),
    // The two lists that the dispatcher asks for every second: both are empty nearly always.
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
    // Who succeeded says how, and who fetched has something to show.
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

/** One row a failed attempt; nothing that failed is dropped. */
export const ingestFailures = pgTable(
  'ingest_failures',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    itemId: bigint('item_id', { mode: 'number' })
      .notNull()
      .references(() => ingestItems.id),
    runId: uuid('run_id').notNull(),
    symbol: symbolText('symbol').notNull(),
    attempt: integer('attempt').notNull(),
    /** Whether the item ended with it. */
    final: boolean('final').notNull(),
    class: text('class').notNull(),
    detail: text('detail').notNull(),
    advice: text('advice').notNull(),
    httpStatus: integer('http_status'),
    evidence: text('evidence'),
    failedAt: instant('failed_at').notNull().defaultNow(),
    /** Which requests would be answered alike for a day: all for the symbol, or those for as much of it; null: none. */
    answers: text('answers', { enum: FAILURE_ANSWERS }),
  },
  (table) => [
    check('ingest_failures_answers', sql`${table.answers} ${oneOf(FAILURE_ANSWERS)}`),
    // Few failures answer for others, and every item is judged by them.
    index('ingest_failures_answering')
      .on(table.symbol, table.failedAt)
      .where(sql`${table.answers} IS NOT NULL`),
    // In the order of the list, so that a page costs what it shows.
    index('ingest_failures_run').on(table.runId, table.failedAt, table.id),
    index('ingest_failures_item').on(table.itemId, table.id),
    index('ingest_failures_symbol').on(table.symbol, table.failedAt, table.id),
    index('ingest_failures_newest').on(table.failedAt, table.id),
    // All that the groups are counted by, so that the evidence beside it is not read.
    index('ingest_failures_class').on(table.class, table.failedAt, table.id, table.symbol, table.final),
    index('ingest_failures_class_run').on(table.class, table.runId, table.failedAt, table.id),
  ],
)

/**
 * Quarantine: records of the provider that did not pass the checks, as they came and why. Each once, however often it
 * is fetched; resolved when a later fetch brings a sound row for that day.
 */
export const rejectedRows = pgTable(
  'rejected_rows',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    symbol: symbolText('symbol').notNull(),
    /** Null when what stood in its place is no date. */
    date: date('date', { mode: 'string' }),
    raw: jsonb('raw').notNull(),
    reasons: text('reasons').array().notNull(),
    /** How many items brought it. */
    times: integer('times').notNull().default(1),
    rejectedAt: instant('rejected_at').notNull().defaultNow(),
    lastRejectedAt: instant('last_rejected_at').notNull().defaultNow(),
    resolvedAt: instant('resolved_at'),
  },
  (table) => [
    uniqueIndex('rejected_rows_record').on(table.symbol, sql`md5(${table.raw}::text)`),
    index('rejected_rows_unresolved')
      .on(table.symbol, table.date)
      .where(sql`${table.resolvedAt} IS NULL`),
    index('rejected_rows_newest').on(table.lastRejectedAt, table.id),
    index('rejected_rows_newest_resolved')
      .on(table.lastRejectedAt, table.id)
      .where(sql`${table.resolvedAt} IS NOT NULL`),
    index('rejected_rows_newest_unresolved')
      .on(table.lastRejectedAt, table.id)
      .where(sql`${table.resolvedAt} IS NULL`),
    index('rejected_rows_symbol').on(table.symbol, table.lastRejectedAt, table.id),
  ],
)

/** Which items brought a rejected record. */
export const itemRejectedRows = pgTable(
  'item_rejected_rows',
  {
    itemId: bigint('item_id', { mode: 'number' })
      .notNull()
      .references(() => ingestItems.id),
    rejectedRowId: bigint('rejected_row_id', { mode: 'number' })
      .notNull()
      .references(() => rejectedRows.id),
  },
  (table) => [
    primaryKey({ name: 'item_rejected_rows_pkey', columns: [table.itemId, table.rejectedRowId] }),
    index('item_rejected_rows_row').on(table.rejectedRowId, table.itemId),
  ],
)

/** Whose items housekeeping has deleted: the first ingest of a start does not ask for these symbols again. */
export const askedSymbols = pgTable('asked_symbols', { symbol: symbolText('symbol').primaryKey() })

/** Answers to POST /api/ingest that are given again to who repeats the request with the same Idempotency-Key within a day. */
export const idempotencyKeys = pgTable('idempotency_keys', {
  key: text('key').primaryKey(),
  /** Of what was asked for, to tell a repetition from another request. */
  requestHash: text('request_hash').notNull(),
  runId: uuid('run_id')
    .notNull()
    .references(() => ingestRuns.id),
  answer: jsonb('answer').notNull(),
  createdAt: instant('created_at').notNull().defaultNow(),
})
