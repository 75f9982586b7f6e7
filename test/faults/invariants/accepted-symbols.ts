import type { Environment } from '../environment/environment.js'

interface EndedItem {
  id: number
  symbol: string
  state: string
  outcome: string | null
  /** Whether its run was cancelled. */
  cancelled: boolean
  /** Of its last failed attempt, if it ended with one. */
  failureClass: string | null
  /** Whether another item of the symbol had been fetched when this one ended. */
  fetchedByAnother: boolean
  rows: number
}

/** Ends of an item that no answer of the upstream brings about. */
const WITHOUT_UPSTREAM = new Set(['poison', 'unsupported_version', 'invalid_payload'])

/**
 * I2, asked from the upstream's side: of every symbol that was accepted the rows are there, unless its item says why they are
 * not; and that reason is looked at, since a system that asks for nothing contradicts none of the rows that it has.
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

/** @param answers what the upstream answered to all requests for the symbol */
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
