import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  date,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { FAILURE_ANSWERS } from '@stockpile/domain/failure'
import { symbolText, instant, oneOf } from '../database/columns.js'
import { ingestItems } from './schema.js'

/** One row for each failed attempt; no failure is dropped. */
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
    /** Whether the item ended failed with this attempt. */
    final: boolean('final').notNull(),
    class: text('class').notNull(),
    detail: text('detail').notNull(),
    advice: text('advice').notNull(),
    httpStatus: integer('http_status'),
    evidence: text('evidence'),
    failedAt: instant('failed_at').notNull().defaultNow(),
    /** Which requests the failure answers for during a day: all of the symbol, or those of one outputsize; null: none. */
    answers: text('answers', { enum: FAILURE_ANSWERS }),
  },
  (table) => [
    check('ingest_failures_answers', sql`${table.answers} ${oneOf(FAILURE_ANSWERS)}`),
    // Every new item is judged by the few failures that answer for others.
    index('ingest_failures_answering')
      .on(table.symbol, table.failedAt)
      .where(sql`${table.answers} IS NOT NULL`),
    // The following have the order of the list, so that a page costs what it shows.
    index('ingest_failures_run').on(table.runId, table.failedAt, table.id),
    index('ingest_failures_item').on(table.itemId, table.id),
    index('ingest_failures_symbol').on(table.symbol, table.failedAt, table.id),
    index('ingest_failures_newest').on(table.failedAt, table.id),
    // With all columns that groups are counted by, so that the long evidence beside them is not read.
    index('ingest_failures_class').on(table.class, table.failedAt, table.id, table.symbol, table.final),
    index('ingest_failures_class_run').on(table.class, table.runId, table.failedAt, table.id),
  ],
)

/**
 * The quarantine: records of the provider that did not pass the checks, as received, with the reasons. A record stands here
 * once, however often it is fetched, and is resolved when a later fetch brings a sound row for its day.
 */
export const rejectedRows = pgTable(
  'rejected_rows',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    symbol: symbolText('symbol').notNull(),
    /** Null when the record has no real date. */
    date: date('date', { mode: 'string' }),
    raw: jsonb('raw').notNull(),
    reasons: text('reasons').array().notNull(),
    /** How many items brought the record. */
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

/** Which items brought which rejected record. */
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
