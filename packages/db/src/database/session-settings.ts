/**
 * What every session of ours has, whatever the server, the database or the role has been given by others (ALTER DATABASE
 * … SET, ALTER ROLE … SET, postgresql.conf): each of these changes an answer, or what a statement does. Sent when a
 * connection is made; `assertFitServer` tells of a pooler that drops them.
 *
 * Not set here, on purpose: `default_transaction_read_only`, since who makes a server read-only means us too;
 * `synchronous_commit`, which with replicas may be stricter than its default; `role`, by which an owner is chosen;
 * `lc_messages` and `session_replication_role`, which are a superuser's; and what changes costs alone.
 */
export const SESSION_SETTINGS = {
  /** Dates are read and answered as they are written: the API's, and those in its cursors. */
  DateStyle: 'ISO, MDY',
  TimeZone: 'UTC',
  IntervalStyle: 'postgres',
  client_encoding: 'UTF8',
  /** Below 1 a float8, as which counts are read, loses digits. */
  extra_float_digits: '1',
  /** The only form that postgres.js reads. */
  bytea_output: 'hex',
  /** Backslashes in statements stand for themselves; NULL in an array is null; `= NULL` is not `IS NULL`. */
  standard_conforming_strings: 'on',
  array_nulls: 'on',
  transform_null_equals: 'off',
  /** Statements are written for it: who waits for a lock then sees what the other did, and does not fail. */
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  /** The tables have no schema in their names; BullMQ's connections say its own. */
  search_path: 'public',
  /** Policies that hide rows hide them from us too, rather than end each statement. */
  row_security: 'on',
  /** `pg_get_functiondef` and its like, by which a catalog is compared. */
  quote_all_identifiers: 'off',
  /** An export and a listener last. */
  lock_timeout: '0',
  transaction_timeout: '0',
  idle_session_timeout: '0',
} as const satisfies Record<string, string>

/** Those of time, of which a connection may say others. */
export const SESSION_BOUNDS = {
  statement_timeout: '0',
  /** A transaction whose process hangs or vanished must not keep its locks: whoever takes its item over needs them. */
  idle_in_transaction_session_timeout: '20s',
} as const satisfies Record<string, string>
