import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  date,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
} from 'drizzle-orm/pg-core'
import { instant } from '../database/columns.js'

/**
 * The book: one row a request sent to the provider, whichever key and worker sent it, kept as long as the longest
 * window needs. The functions that write it are in its migration, since each must be one statement.
 */
export const providerRequests = pgTable(
  'provider_requests',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    /** When it may be sent; in the future for a moment, until it is. */
    slotAt: instant('slot_at').notNull(),
    /** Of the key that it was sent with; for one that somebody else spent, of the key that was refused for it, or null: of all. */
    keyFingerprint: text('key_fingerprint'),
    /** This and the next two are null for a request that somebody else spent from the same quota. */
    function: text('function'),
    outputsize: text('outputsize'),
    /** No foreign key: the check would lock the item's row, and cancelling a run would wait for the book. */
    itemId: bigint('item_id', { mode: 'number' }),
    /** `accepted`, a refusal's class, or `foreign`; null: sent and not heard of (a crash burns the slot). */
    outcome: text('outcome'),
    durationMs: integer('duration_ms'),
    bytes: bigint('bytes', { mode: 'number' }),
    concludedAt: instant('concluded_at'),
  },
  (table) => [index('provider_requests_slot').on(table.slotAt)],
)

/** What was pruned from the book, summed by UTC day, for the record. */
export const providerRequestDays = pgTable(
  'provider_request_days',
  {
    day: date('day', { mode: 'string' }).notNull(),
    /** As in the book; `unheard` where the book has null. */
    outcome: text('outcome').notNull(),
    requests: bigint('requests', { mode: 'number' }).notNull(),
    bytes: bigint('bytes', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ name: 'provider_request_days_pkey', columns: [table.day, table.outcome] })],
)

/** What holds for the provider as a whole: exactly one row, which the migration inserts. */
export const providerState = pgTable(
  'provider_state',
  {
    id: integer('id').primaryKey().default(1),
    /** What a worker started with last; null before any did. `limits` is a list of `Limit`. */
    plan: text('plan'),
    limits: jsonb('limits'),
    publishedAt: instant('published_at'),
    /** Of the key that a slot was asked for with last, granted or not. Not in the book alone, which is pruned. */
    keyFingerprint: text('key_fingerprint'),
    /** When a worker last stopped as it was told to, and so deleted its row. */
    workerStoppedAt: instant('worker_stopped_at'),
    /**
     * The provider answers nobody: failures in a row, of different symbols. Null while it does. One request at a time, the
     * probe, then finds out whether it does again, not before `outage_probe_at`.
     */
    outageSince: instant('outage_since'),
    outageClass: text('outage_class'),
    outageDetail: text('outage_detail'),
    /** In a row, whether or not they make an outage yet, and the symbol of the last. */
    outageFailures: integer('outage_failures').notNull().default(0),
    outageSymbol: text('outage_symbol'),
    outageProbeAt: instant('outage_probe_at'),
    /** The probe that is under way, and until when nobody else sends one. */
    outageProbeId: bigint('outage_probe_id', { mode: 'number' }),
    outageProbeUntil: instant('outage_probe_until'),
    /** What was fetched cannot be stored: since when, when it was last tried in vain, and why. Null while it can. */
    storageFailedSince: instant('storage_failed_since'),
    storageFailedAt: instant('storage_failed_at'),
    storageClass: text('storage_class'),
    storageDetail: text('storage_detail'),
    /** How far the database's clock has jumped in all, as workers saw; negative: back. Milliseconds. */
    clockOffsetMs: doublePrecision('clock_offset_ms').notNull().default(0),
    /** How often, and when last, by how much; what the ledger read right after that, or less. Milliseconds. */
    clockJumps: integer('clock_jumps').notNull().default(0),
    clockJumpedAt: instant('clock_jumped_at'),
    clockJumpMs: doublePrecision('clock_jump_ms'),
    clockJumpAfterMs: doublePrecision('clock_jump_after_ms'),
    /** Whether prices that a simulator made up were ever stored here. */
    syntheticData: boolean('synthetic_data').notNull().default(false),
  },
  (table) => [check('provider_state_one_row', sql`${table.id} = 1`)],
)

/** What the provider said to a key, by its fingerprint, whatever it was asked for. */
export const providerKeys = pgTable('provider_keys', {
  keyFingerprint: text('key_fingerprint').primaryKey(),
  /** Nothing is sent with it before: a refusal said so. */
  blockedUntil: instant('blocked_until'),
  blockedClass: text('blocked_class'),
  blockedDetail: text('blocked_detail'),
  /** What a daily refusal said when it contradicted the plan; in force for one day's window from `said_at`. */
  saidPerDay: integer('said_per_day'),
  saidAt: instant('said_at'),
  saidDetail: text('said_detail'),
})

export const ACCESS_STATES = ['probing', 'accepted', 'refused'] as const

/** What is known of a key, by its fingerprint, never the key itself: what it was asked for and whether it may have it. */
export const providerAccess = pgTable(
  'provider_access',
  {
    keyFingerprint: text('key_fingerprint').notNull(),
    function: text('function').notNull(),
    outputsize: text('outputsize').notNull(),
    /** `probing` after `probe_until`: undecided, the next request is the probe. */
    state: text('state', { enum: ACCESS_STATES }).notNull(),
    class: text('class'),
    detail: text('detail'),
    /** In a row, so that each waits longer than the last. */
    refusals: integer('refusals').notNull().default(0),
    retryAt: instant('retry_at'),
    /** The request in the book that finds it out, and until when nobody else does. */
    probeId: bigint('probe_id', { mode: 'number' }),
    probeUntil: instant('probe_until'),
    decidedAt: instant('decided_at'),
  },
  (table) => [
    primaryKey({
      name: 'provider_access_pkey',
      columns: [table.keyFingerprint, table.function, table.outputsize],
    }),
    check(
      'provider_access_state',
      sql`${table.state} IN (${sql.raw(ACCESS_STATES.map((state) => `'${state}'`).join(', '))})`,
    ),
  ],
)
