import { z } from 'zod'
import type { Environment } from '../environment/environment.js'
import { unexplainedSymbols } from './accepted-symbols.js'
import { keySightings } from './secrecy.js'
import { unequalRows } from './upstream-rows.js'

/**
 * Checks all invariants of a system in which everything accepted has ended.
 * @param survival.tampered symbols of which the upstream served something else than the reference does
 * @returns one sentence for each thing that does not hold; none when the system is sound
 */
export async function brokenInvariants(
  environment: Environment,
  { tampered = [] }: { tampered?: readonly string[] } = {},
): Promise<string[]> {
  const found = [
    ...(await unaccounted(environment)),
    ...(await unequalRows(environment, new Set(tampered))),
    ...(await unexplainedSymbols(environment, new Set(tampered))),
    ...(await miscounted(environment)),
    ...(await unqueryable(environment)),
    ...(await overLimit(environment)),
    ...(await unrecorded(environment)),
    ...(await keySightings(environment)),
  ]
  // These come last, since the checks before have asked the API much.
  return [
    ...found,
    ...environment.causes.violations(),
    ...environment.http.violations({ allows503: environment.options.allows503 === true }),
  ]
}

/** Checks I1: every accepted symbol has ended, and its end and its failures agree. */
async function unaccounted({ sql, http }: Environment): Promise<string[]> {
  const found: string[] = []
  for (const { id, symbols } of http.accepted) {
    const { counts } = await http.run(id)
    const ended = (counts['succeeded'] ?? 0) + (counts['failed'] ?? 0) + (counts['cancelled'] ?? 0)
    const asked = new Set(symbols).size
    if (counts['total'] !== asked || ended !== asked)
      found.push(`I1: run ${id} of ${asked} symbols counts ${JSON.stringify(counts)}`)
  }
  const untold = await sql<{ id: number; symbol: string }[]>`
    SELECT item.id::int, item.symbol FROM ingest_items AS item
     WHERE (item.state = 'failed') <> EXISTS (SELECT FROM ingest_failures WHERE item_id = item.id AND final)
        OR item.attempts > (SELECT count(*) FROM ingest_failures WHERE item_id = item.id)`
  return [
    ...found,
    ...untold.map((item) => `I1: item ${item.id} (${item.symbol}) and its failures contradict each other`),
  ]
}

/** Checks I2 for the totals and the bitmaps of days, from which the API counts: they are right after every crash. */
async function miscounted({ sql }: Environment): Promise<string[]> {
  const found = await sql<{ symbol: string }[]>`
    SELECT symbol
      FROM (SELECT symbol, count(*) AS rows, min(date) AS first_row, max(date) AS last_row FROM financial_data GROUP BY symbol) AS stored
      FULL JOIN (SELECT * FROM symbols LEFT JOIN symbol_days USING (symbol) WHERE row_count > 0) AS known USING (symbol)
     WHERE (rows, first_row, last_row, rows) IS DISTINCT FROM (row_count::bigint, first_date, last_date, bit_count(days))`
  return found.map(({ symbol }) => `I2: the totals or the days of ${symbol} are not those of its rows`)
}

const page = z.object({
  data: z.array(z.looseObject({ id: z.number(), class: z.string().min(1).optional() })),
  pagination: z.object({ pages: z.number() }),
})

/** Checks I3: the API shows each failed attempt and each rejected row, and none is a defect of Stockpile. */
async function unqueryable({ sql, http }: Environment): Promise<string[]> {
  const found: string[] = []
  for (const { path, table } of [
    { path: '/api/failures', table: 'ingest_failures' },
    { path: '/api/rejected_rows', table: 'rejected_rows' },
  ]) {
    const stored = await sql<{ id: number }[]>`SELECT id::int FROM ${sql(table)}`
    const shown = new Set<number>()
    for (let number = 1, pages = 1; number <= pages; number += 1) {
      const answer = await http.request(`${path}?limit=1000&page=${number}`)
      const { data, pagination } = page.parse(JSON.parse(answer.text))
      for (const entry of data) {
        shown.add(entry.id)
        if (table === 'ingest_failures' && entry.class === undefined)
          found.push(`I3: failure ${entry.id} has no class`)
        if (entry.class === 'internal') found.push(`I3: failure ${entry.id} is a defect of the system itself`)
      }
      pages = pagination.pages
    }
    const hidden = stored.filter(({ id }) => !shown.has(id)).length
    if (hidden > 0) found.push(`I3: ${hidden} of ${table} are not to be seen at ${path}`)
  }
  return found
}

/**
 * Checks I4 on every sliding window. The only tolerance: the first request of a window counts from the earliest moment at
 * which it can have come, since this process may have read it late. A complaint is then certain.
 */
async function overLimit({ limits, simulator, arrivalBounds, dayBegins }: Environment): Promise<string[]> {
  const all = simulator.arrivals()
  const dayOf = ({ at }: { at: number }) => dayBegins.filter((beginMs) => beginMs <= at).length
  const found: string[] = []
  for (const [name, windowMs] of [
    ['perSecond', 1_000],
    ['perMinute', 60_000],
    ['perDay', 86_400_000],
  ] as const) {
    const max = limits[name]
    if (max === 0) continue
    let least = Infinity
    for (const [index, last] of all.slice(max).entries()) {
      const first = all[index] ?? last
      if (name === 'perDay' && dayOf(first) !== dayOf(last)) continue
      least = Math.min(least, last.at - arrivalBounds.earliest(first))
    }
    if (least < windowMs)
      found.push(`I4: ${max + 1} requests within ${Math.round(least)} ms where ${windowMs} ms allow ${max}`)
  }
  return found
}

/** Checks I4: the ledger has every request that arrived, and an outcome only of requests that did. */
async function unrecorded({ sql, simulator }: Environment): Promise<string[]> {
  const ledger = await sql<{ symbol: string; recorded: number; heard: number }[]>`
    SELECT item.symbol, count(*)::int AS recorded,
           (count(*) FILTER (WHERE request.outcome NOT IN ('aborted', 'network', 'timeout')))::int AS heard
      FROM provider_requests AS request JOIN ingest_items AS item ON item.id = request.item_id GROUP BY 1`
  const arrived = new Map<string, number>()
  for (const { symbol } of simulator.arrivals()) arrived.set(symbol, (arrived.get(symbol) ?? 0) + 1)
  const rows = new Map(ledger.map((row) => [row.symbol, row]))
  return [...new Set([...rows.keys(), ...arrived.keys()])].flatMap((symbol) => {
    const { recorded = 0, heard = 0 } = rows.get(symbol) ?? {}
    const times = arrived.get(symbol) ?? 0
    return heard <= times && times <= recorded
      ? []
      : [
          `I4: ${symbol} was requested ${times} times; the ledger has ${recorded}, of which ${heard} were answered`,
        ]
  })
}
