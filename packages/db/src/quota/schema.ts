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
import { instant, oneOf } from '../database/columns.js'

/**
 * The ledger: one row for each request sent to the provider, whichever key and worker sent it, kept as long as the longest
 * window needs. SQL functions write it (sql/quota.sql), since each reservation must be one statement.
 */
export const providerRequests = pgTable(
  'provider_requests',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    /** The instant that the request is reserved for; for a moment it lies in the future. */
    slotAt: instant('slot_at').notNull(),
    /**
     * The key that the request was sent with. For a `foreign` request: the key whose quota the provider called spent. Null only
     * in rows of earlier versions: such a request counts for every key.
     */
    keyFingerprint: text('key_fingerprint'),
    /** Null for a `foreign` request, which somebody else spent from the quota; so are `outputsize` and `item_id`. */
    function: text('function'),
    outputsize: text('outputsize'),
    /** No foreign key: the check would lock the item's row, and cancelling a run would wait for the ledger. */
    itemId: bigint('item_id', { mode: 'number' }),
    /** `accepted`, a refusal's class, or `foreign`; null while nothing was heard of it, for ever when its worker crashed. */
    outcome: text('outcome'),
    durationMs: integer('duration_ms'),
    bytes: bigint('bytes', { mode: 'number' }),
    concludedAt: instant('concluded_at'),
  },
  (table) => [index('provider_requests_slot').on(table.slotAt)],
)

/** The requests that were pruned from the ledger, summed by UTC day. */
export const providerRequestDays = pgTable(
  'provider_request_days',
  {
    day: date('day', { mode: 'string' }).notNull(),
    /** `provider_requests.outcome`; `unheard` in place of null. */
    outcome: text('outcome').notNull(),
    requests: bigint('requests', { mode: 'number' }).notNull(),
    bytes: bigint('bytes', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ name: 'provider_request_days_pkey', columns: [table.day, table.outcome] })],
)

/** What holds for the provider as a whole: exactly one row, which a migration inserts. */
export const providerState = pgTable(
  'provider_state',
  {
    id: integer('id').primaryKey().default(1),
    /** The plan that a worker started with last; null before any worker started. `limits` is a list of `Limit`. */
    plan: text('plan'),
    limits: jsonb('limits'),
    publishedAt: instant('published_at'),
    /** The key that a slot was asked for with last, granted or not. Kept here, since the ledger is pruned. */
    keyFingerprint: text('key_fingerprint'),
    /** When a worker last deleted its row because it was told to stop. */
    workerStoppedAt: instant('worker_stopped_at'),
    /**
     * Since when the provider answers nobody: requests for different symbols failed in a row. Null while it answers. From
     * `outage_probe_at` on, one request at a time, the probe, finds out whether it answers again.
     */
    outageSince: instant('outage_since'),
    outageClass: text('outage_class'),
    outageDetail: text('outage_detail'),
    /** For how many different symbols a request failed in a row, enough for an outage or not, and these symbols, with commas. */
    outageFailures: integer('outage_failures').notNull().default(0),
    outageSymbol: text('outage_symbol'),
    outageProbeAt: instant('outage_probe_at'),
    /** The request that probes, and until when no other request may. */
    outageProbeId: bigint('outage_probe_id', { mode: 'number' }),
    outageProbeUntil: instant('outage_probe_until'),
    /** Since when rows cannot be stored, when a worker last tried in vain, and why. Null while rows can be stored. */
    storageFailedSince: instant('storage_failed_since'),
    storageFailedAt: instant('storage_failed_at'),
    storageClass: text('storage_class'),
    storageDetail: text('storage_detail'),
    /** The sum of the jumps of the database's clock that workers saw, in milliseconds; negative: back. */
    clockOffsetMs: doublePrecision('clock_offset_ms').notNull().default(0),
    /** How often the clock jumped; when it last did, by how many milliseconds, and a lower bound of the ledger's clock right after. */
    clockJumps: integer('clock_jumps').notNull().default(0),
    clockJumpedAt: instant('clock_jumped_at'),
    clockJumpMs: doublePrecision('clock_jump_ms'),
    clockJumpAfterMs: doublePrecision('clock_jump_after_ms'),
    /** Whether prices that a simulator made up were ever stored in this database. */
    syntheticData: boolean('synthetic_data').notNull().default(false),
  },
  (table) => [check('provider_state_one_row', sql`${table.id} = 1`)],
)

/** What the provider said of a key, whatever was asked for with it. */
export const providerKeys = pgTable('provider_keys', {
  keyFingerprint: text('key_fingerprint').primaryKey(),
  /** Nothing is sent with the key before this instant, since a refusal said so. */
  blockedUntil: instant('blocked_until'),
  blockedClass: text('blocked_class'),
  blockedDetail: text('blocked_detail'),
  /** How many requests a day a refusal stated in contradiction of the plan; in force for one day's window from `said_at`. */
  saidPerDay: integer('said_per_day'),
  saidAt: instant('said_at'),
  saidDetail: text('said_detail'),
})

/**
 * What a class of refusal means to the ledger, as the workers publish it from their provider's table: which requests the
 * refusal speaks of, and which limit is spent.
 */
export const refusalClasses = pgTable('refusal_classes', {
  class: text('class').primaryKey(),
  /** A RefusalScope; see @stockpile/domain/refusal. */
  scope: text('scope').notNull(),
  /** A LimitName; null where the refusal names no limit. */
  limitName: text('limit_name'),
})

export const ACCESS_STATES = ['probing', 'accepted', 'refused'] as const

/** Whether a key may have what was asked for with it. The key stands here by its fingerprint alone. */
export const providerAccess = pgTable(
  'provider_access',
  {
    keyFingerprint: text('key_fingerprint').notNull(),
    function: text('function').notNull(),
    outputsize: text('outputsize').notNull(),
    /** `probing` after `probe_until` means undecided: the next request is the probe. */
    state: text('state', { enum: ACCESS_STATES }).notNull(),
    class: text('class'),
    detail: text('detail'),
    /** How many refusals came in a row, so that the wait grows with each. */
    refusals: integer('refusals').notNull().default(0),
    retryAt: instant('retry_at'),
    /** The request that finds out whether the key may have it, and until when no other request does. */
    probeId: bigint('probe_id', { mode: 'number' }),
    probeUntil: instant('probe_until'),
    decidedAt: instant('decided_at'),
  },
  (table) => [
    primaryKey({
      name: 'provider_access_pkey',
      columns: [table.keyFingerprint, table.function, table.outputsize],
    }),
    check('provider_access_state', sql`${table.state} ${oneOf(ACCESS_STATES)}`),
  ],
)
