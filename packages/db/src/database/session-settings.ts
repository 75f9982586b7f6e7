/**
 * The settings of every session, whatever others set for the server, the database or the role (postgresql.conf, ALTER
 * DATABASE … SET, ALTER ROLE … SET): each changes an answer or what a statement does. They are sent when a connection is
 * made; `assertFitServer` reports a pooler that drops them.
 *
 * Left out on purpose: `default_transaction_read_only`, since a server that is made read-only is meant to be so for
 * Stockpile too; `synchronous_commit`, which may be stricter than its default with replicas; `role`, which chooses an owner;
 * `lc_messages` and `session_replication_role`, which only a superuser may set; and settings that change costs alone.
 */
export const SESSION_SETTINGS = {
  /** Dates of the API and of its cursors are read and answered in this style. */
  DateStyle: 'ISO, MDY',
  TimeZone: 'UTC',
  IntervalStyle: 'postgres',
  client_encoding: 'UTF8',
  /** Counts are read as float8, which loses digits with a value below 1. */
  extra_float_digits: '1',
  /** The only form that postgres.js reads. */
  bytea_output: 'hex',
  /** The next three: a backslash stands for itself; NULL in an array is null; `= NULL` does not mean `IS NULL`. */
  standard_conforming_strings: 'on',
  array_nulls: 'on',
  transform_null_equals: 'off',
  /** Statements rely on it: one that waited for a lock sees what the other transaction did, and does not fail. */
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  /** Statements name tables without a schema. BullMQ's connections set a path of their own. */
  search_path: 'public',
  /** Policies that hide rows hide them from Stockpile too; with `off` they would end each statement with an error. */
  row_security: 'on',
  /** Catalogs are compared by the texts of `pg_get_functiondef` and the like. */
  quote_all_identifiers: 'off',
  /** The next three: exports and listeners last long. */
  lock_timeout: '0',
  transaction_timeout: '0',
  idle_session_timeout: '0',
} as const satisfies Record<string, string>

/** Bounds of time, which a connection may replace by others. */
export const SESSION_BOUNDS = {
  statement_timeout: '0',
  /** A transaction whose process hangs or vanished must not keep its locks: the worker that takes its item over needs them. */
  idle_in_transaction_session_timeout: '20s',
} as const satisfies Record<string, string>
