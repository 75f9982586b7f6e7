import type { Environment } from '../environment/environment.js'

interface EndedItem {
  id: number
  symbol: string
  state: string
  outcome: string | null
  /** Whether the item's run was cancelled. */
  cancelled: boolean
  /** The class of the failure that ended the item, if one did. */
  failureClass: string | null
  /** Whether another item of the same symbol had been fetched by the time this one ended. */
  fetchedByAnother: boolean
  rows: number
}

/** Classes of failures that end an item without any answer of the upstream. */
const WITHOUT_UPSTREAM = new Set(['poison', 'unsupported_version', 'invalid_payload'])

/**
 * Checks I2 from the upstream's side: the rows of every accepted symbol are stored, or its item ended for a reason that the
 * upstream's answers bear out. Without this check a system that asks for nothing would have no wrong row.
 * @param tampered symbols of which the upstream may have served no row that can be stored
 */
export async function unexplainedSymbols(
  environment: Environment,
  tampered: ReadonlySet<string>,
): Promise<string[]> {
  const { sql, simulator } = environment
  const answers = new Map<string, string[]>()
  for (const { symbol, answer } of simulator.arrivals())
    answers.set(symbol, [...(answers.get(symbol) ?? []), answer])
  const items = await sql<EndedItem[]>`
    SELECT item.id::int, item.symbol, item.state, item.outcome, run.cancelled_at IS NOT NULL AS cancelled,
           (SELECT class FROM ingest_failures WHERE item_id = item.id AND final ORDER BY id DESC LIMIT 1) AS "failureClass",
           EXISTS (SELECT FROM ingest_items AS other
                    WHERE other.symbol = item.symbol AND other.id <> item.id AND other.outcome = 'fetched'
                      AND other.finished_at <= item.finished_at) AS "fetchedByAnother",
           (SELECT count(*)::int FROM financial_data AS stored WHERE stored.symbol = item.symbol) AS rows
      FROM ingest_items AS item JOIN ingest_runs AS run ON run.id = item.run_id`
  return items.flatMap((item) => {
    const complaint = complaintOf(item, answers.get(item.symbol) ?? [], tampered.has(item.symbol))
    return complaint === null ? [] : [`I2: item ${item.id} (${item.symbol}) ${complaint}`]
  })
}

/** @param answers the upstream's answers to all requests for the symbol */
function complaintOf(item: EndedItem, answers: readonly string[], isTampered: boolean): string | null {
  const { state, outcome, failureClass } = item
  if (state === 'cancelled') return item.cancelled ? null : 'was cancelled, and its run was not'
  if (state === 'failed') {
    if (failureClass !== null && WITHOUT_UPSTREAM.has(failureClass)) return null
    if (answers.length === 0) return `failed (${failureClass}), and was never asked for`
    return answers.every((answer) => answer === 'series')
      ? `failed (${failureClass}), though the upstream served it each time`
      : null
  }
  if (outcome === 'fetched') {
    if (answers.length === 0) return 'counts as fetched, and was never asked for'
    return item.rows > 0 || isTampered ? null : 'counts as fetched, and has no rows'
  }
  return item.fetchedByAnother ? null : `ended as ${outcome}, and no other item had fetched it`
}
