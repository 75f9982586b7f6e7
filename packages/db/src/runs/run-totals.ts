import { getTableColumns, sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { ITEM_STATES, WARNING_CODES } from '@stockpile/domain/item'
import type { Transaction } from '../database/connection.js'
import { runTotals } from './run-totals-schema.js'
import { hasWarning } from './schema.js'

const KEYS = new Set(['id', 'run_id', 'failure_class'])
/** The columns that are sums, in the order of the table. */
const SUMS = Object.values(getTableColumns(runTotals)).flatMap(({ name }) => (KEYS.has(name) ? [] : [name]))

const eachSum = (expression: (name: string) => SQL) =>
  sql.join(
    SUMS.map((name) => sql`${expression(name)} AS ${sql.identifier(name)}`),
    sql`, `,
  )

/** SQL, of a run: its sums as float8, and `failures`: how many items ended failed, by class; null when none did. */
export const totalsOfRun = sql`
  SELECT ${eachSum((name) => sql`coalesce(sum(${sql.identifier(name)}), 0)::float8`)},
         jsonb_agg(jsonb_build_object('class', failure_class, 'count', failed) ORDER BY failed DESC, failure_class)
           FILTER (WHERE failed > 0 AND failure_class <> '') AS failures
    FROM (
      SELECT failure_class, ${eachSum((name) => sql`sum(${sql.identifier(name)})`)}
        FROM run_totals WHERE run_id = run.id GROUP BY failure_class
    ) AS by_class`

const COUNTED_ITEMS: Readonly<Record<string, SQL>> = Object.fromEntries([
  ...ITEM_STATES.map((state) => [state, sql.raw(`state = '${state}'`)] as const),
  ['begun', sql`claim > 0`],
  ...WARNING_CODES.map((code) => [code, hasWarning(code)] as const),
])

/** SQL: the sums counted from the items: a row for each run and class of failure. */
const COUNTED = sql`
  SELECT run_id, failure_class, ${eachSum((name) => {
    const condition = COUNTED_ITEMS[name]
    return condition === undefined
      ? sql`sum(${sql.identifier(name)})`
      : sql`count(*) FILTER (WHERE ${condition})`
  })}
    FROM (
      SELECT item.*, CASE WHEN state = 'failed' THEN coalesce((
               SELECT class FROM ingest_failures AS failure WHERE failure.item_id = item.id ORDER BY failure.id DESC LIMIT 1), '')
             ELSE '' END AS failure_class
        FROM ingest_items AS item
    ) AS item GROUP BY run_id, failure_class`

/** SQL: the sums as run_totals has them: a row for each run and class of failure. */
const KEPT = sql`
  SELECT run_id, failure_class, ${eachSum((name) => sql`sum(${sql.identifier(name)})`)} FROM run_totals GROUP BY run_id, failure_class`

const sumsOf = (table: string) =>
  sql.join(
    SUMS.map((name) => sql`coalesce(${sql.identifier(table)}.${sql.identifier(name)}, 0)`),
    sql`, `,
  )

/** SQL: the runs whose totals differ from what their items add up to, in the column `run_id`. */
export const WRONG_RUNS = sql`
  SELECT DISTINCT run_id FROM (${COUNTED}) AS counted FULL JOIN (${KEPT}) AS kept USING (run_id, failure_class)
   WHERE (${sumsOf('counted')}) IS DISTINCT FROM (${sumsOf('kept')})`

const columns = sql.join(
  ['run_id', 'failure_class', ...SUMS].map((name) => sql.identifier(name)),
  sql`, `,
)

/**
 * Counts the items of all runs and corrects the totals that differ.
 * @param tx a transaction that locks ingest_items and run_totals
 * @returns how many runs were corrected
 */
export async function recountRuns(tx: Transaction): Promise<number> {
  const [corrected] = await tx.execute<{ runs: number }>(sql`
    WITH wrong AS MATERIALIZED (${WRONG_RUNS}), gone AS (
      DELETE FROM run_totals USING wrong WHERE run_totals.run_id = wrong.run_id
    ), counted AS (
      INSERT INTO run_totals (${columns})
      SELECT ${columns} FROM (${COUNTED}) AS counted WHERE run_id IN (SELECT run_id FROM wrong)
    )
    SELECT count(*)::int AS runs FROM wrong`)
  return corrected?.runs ?? 0
}
