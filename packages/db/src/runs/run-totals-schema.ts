import { bigint, index, integer, pgTable, text, uuid } from 'drizzle-orm/pg-core'

const items = (name: string) => integer(name).notNull()
const rows = (name: string) => bigint(name, { mode: 'number' }).notNull()

/**
 * The totals of the items of a run. Triggers of ingest_items keep them (sql/runs.sql), so that reading a run costs as much
 * for one item as for 10,000. The sum over all rows of a run counts; a single row may be negative: each transaction adds to
 * a row that no other transaction has locked, so that none waits for another.
 */
export const runTotals = pgTable(
  'run_totals',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    /** No foreign key: its check would lock the run, and a cancellation would end in a deadlock. */
    runId: uuid('run_id').notNull(),
    /** The class of their newest failure for failed items; empty for all other items. */
    failureClass: text('failure_class').notNull(),
    pending: items('pending'),
    running: items('running'),
    succeeded: items('succeeded'),
    failed: items('failed'),
    cancelled: items('cancelled'),
    /** Items that were ever taken. */
    begun: items('begun'),
    /** Items with this warning code. */
    newestRowRejected: items('newest_row_rejected'),
    nothingStored: items('nothing_stored'),
    restated: items('restated'),
    rejectedRowsNotKept: items('rejected_rows_not_kept'),
    rowsFetched: rows('rows_fetched'),
    rowsInserted: rows('rows_inserted'),
    rowsUpdated: rows('rows_updated'),
    rowsUnchanged: rows('rows_unchanged'),
    rowsRejected: rows('rows_rejected'),
    rowsProvisional: rows('rows_provisional'),
  },
  (table) => [index('run_totals_run').on(table.runId, table.failureClass)],
)
