import { bigint, index, integer, pgTable, text, uuid } from 'drizzle-orm/pg-core'

const items = (name: string) => integer(name).notNull()
const rows = (name: string) => bigint(name, { mode: 'number' }).notNull()

/**
 * What the items of a run come to, kept by the triggers of ingest_items (sql/runs.sql), so that a look at a run costs the
 * same for one item and for 10,000. The sum over all rows of a run is the truth: who changes items adds to whichever row
 * nobody else holds, so that no two transactions ever wait for each other. A single row may be negative.
 */
export const runTotals = pgTable(
  'run_totals',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    /** No foreign key: its check would lock the run, and whoever cancels it would wait in a circle. */
    runId: uuid('run_id').notNull(),
    /** Of the newest failure of failed items, which are counted by it; of all others empty. */
    failureClass: text('failure_class').notNull(),
    pending: items('pending'),
    running: items('running'),
    succeeded: items('succeeded'),
    failed: items('failed'),
    cancelled: items('cancelled'),
    /** Ever taken. */
    begun: items('begun'),
    /** By their warning_codes. */
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
