import type postgres from 'postgres'

/** Days before 2024 from `firstDay` on, so that a later filling adds days. */
interface Filling {
  firstDay: string
  days: number
  symbols: readonly string[]
}

/**
 * Writes what a state's programs leave behind, in the columns that the state has: rows by the worker, and rows by hand, which
 * early states did not count; corrected and deleted rows; runs whose items succeeded, failed, wait, run and were cancelled;
 * failures, rejected rows, revisions, answers kept for a repeated request, and the quota's ledger.
 * @returns how many rows of prices were added
 */
export async function fill(sql: postgres.Sql, { firstDay, days, symbols }: Filling): Promise<number> {
  const has = await columnsOf(sql)
  for (const symbol of symbols) await storeAsWorker(sql, has, symbol, firstDay, days)
  await sql`
    INSERT INTO financial_data (symbol, date, open_price, high_price, low_price, close_price, volume)
    SELECT 'HAND', ${firstDay}::date + day, 1, 2, 0.5, 1.10, 12345 FROM generate_series(0, ${days - 1}) AS day`
  // Some rows are restated, and one is deleted.
  await sql`UPDATE financial_data SET close_price = close_price + 0.01, high_price = high_price + 1
             WHERE date = ${firstDay}::date + 1 AND symbol <> 'HAND'`
  const gone = await sql`DELETE FROM financial_data WHERE symbol = 'HAND' AND date = ${firstDay}::date`
  await addRun(sql, has, symbols)
  if (has('price_revisions', 'id')) {
    await sql`
      INSERT INTO price_revisions (symbol, date, old_open_price, old_high_price, old_low_price, old_close_price, old_volume,
                                   new_open_price, new_high_price, new_low_price, new_close_price, new_volume)
      SELECT symbol, date, open_price, high_price, low_price, close_price, volume, open_price, high_price, low_price, close_price, volume
        FROM financial_data WHERE date = ${firstDay}::date + 1`
  }
  if (has('provider_requests', 'id')) await addLedger(sql, has)
  if (has('provider_state', 'key_fingerprint'))
    await sql`UPDATE provider_state SET key_fingerprint = 'fingerprint'`
  return days * (symbols.length + 1) - gone.count
}

type Columns = (table: string, column: string) => boolean

async function columnsOf(sql: postgres.Sql): Promise<Columns> {
  const columns = await sql<{ name: string }[]>`
    SELECT table_name || '.' || column_name AS name FROM information_schema.columns WHERE table_schema = 'public'`
  const names = new Set(columns.map(({ name }) => name))
  return (table, column) => names.has(`${table}.${column}`)
}

/** Stores rows in one transaction, with the symbol's row locked; where triggers do not count them yet, the worker does. */
async function storeAsWorker(
  sql: postgres.Sql,
  has: Columns,
  symbol: string,
  firstDay: string,
  days: number,
) {
  await sql.begin(async (tx) => {
    await tx`INSERT INTO symbols AS known (symbol) VALUES (${symbol}) ON CONFLICT (symbol) DO UPDATE SET row_count = known.row_count`
    await tx`
      INSERT INTO financial_data (symbol, date, open_price, high_price, low_price, close_price, volume)
      SELECT ${symbol}, ${firstDay}::date + day, 10.10, 12.0000, 9, 11.5, 1000 + day FROM generate_series(0, ${days - 1}) AS day`
    if (!has('symbols', 'version')) {
      await tx`UPDATE symbols SET row_count = row_count + ${days}, first_date = least(first_date, ${firstDay}::date),
                 last_date = greatest(last_date, ${firstDay}::date + ${days - 1}::int) WHERE symbol = ${symbol}`
    }
    await tx`UPDATE symbols SET last_fetched_at = '2026-11-24 21:30:00.123456Z' WHERE symbol = ${symbol}`
  })
}

async function addRun(sql: postgres.Sql, has: Columns, symbols: readonly string[]): Promise<void> {
  const [run] = await sql<{ id: string }[]>`
    INSERT INTO ingest_runs (trigger, outputsize, force, priority) VALUES ('api', 'auto', false, 'normal') RETURNING id`
  const runId = run?.id ?? ''
  const states = ['succeeded', 'failed', 'pending', 'running', 'cancelled']
  for (const [turn, symbol] of [...symbols, ...symbols].entries()) {
    const state = states[turn % states.length] ?? 'pending'
    const isDone = ['succeeded', 'failed', 'cancelled'].includes(state)
    const isFailed = state === 'failed'
    const isFetched = state === 'succeeded'
    const optional = {
      ...(has('ingest_items', 'outcome') ? { outcome: isFetched ? 'fetched' : null } : {}),
      ...(has('ingest_items', 'lone_losses') ? { alone: state === 'running', lone_losses: turn % 3 } : {}),
      ...(has('ingest_items', 'had_rows') ? { had_rows: turn % 2 === 0, refusals: turn } : {}),
    }
    const [item] = await sql<{ id: string }[]>`
      INSERT INTO ingest_items ${sql({
        run_id: runId,
        symbol,
        // The item fails below, once its failures are recorded.
        state: isFailed ? 'running' : state,
        attempts: isFailed ? 2 : 0,
        claim: 1,
        started_at: '2026-11-24T21:30:00Z',
        finished_at: isDone && !isFailed ? '2026-11-24T21:31:00Z' : null,
        waiting_for: state === 'pending' ? 'quota' : null,
        rows_fetched: isFetched ? 3 : 0,
        rows_inserted: isFetched ? 2 : 0,
        rows_rejected: isFetched ? 1 : 0,
        ...optional,
      })} RETURNING id`
    const itemId = item?.id ?? '0'
    if (isFailed) {
      await sql`
        INSERT INTO ingest_failures (item_id, run_id, symbol, attempt, final, class, detail, advice, http_status, evidence)
        VALUES (${itemId}, ${runId}, ${symbol}, 1, false, 'http_error', 'HTTP 503.', 'Wait.', 503, 'Service Unavailable'),
               (${itemId}, ${runId}, ${symbol}, 2, true, 'invalid_symbol', 'Unknown.', 'Check it.', 200, NULL)`
      await sql`UPDATE ingest_items SET state = 'failed', finished_at = '2026-11-24T21:31:00Z' WHERE id = ${itemId}`
    }
    if (isFetched) await addRejected(sql, has, { itemId, runId, symbol })
  }
  if (has('idempotency_keys', 'key')) {
    await sql`INSERT INTO idempotency_keys (key, request_hash, run_id, answer) VALUES (${runId}, 'hash', ${runId}, '{"run_id": 1.10}')`
  }
}

/** Rejects an equal record each time: early states kept it once for each fetch. */
async function addRejected(
  sql: postgres.Sql,
  has: Columns,
  { itemId, runId, symbol }: { itemId: string; runId: string; symbol: string },
): Promise<void> {
  const record = sql`'{"close": "x", "open": 1.10}'::jsonb, ARRAY['not_a_number']`
  if (has('rejected_rows', 'item_id')) {
    await sql`INSERT INTO rejected_rows (item_id, run_id, symbol, raw, reasons) VALUES (${itemId}, ${runId}, ${symbol}, ${record})`
    return
  }
  const [kept] = await sql<{ id: string }[]>`
    INSERT INTO rejected_rows AS known (symbol, raw, reasons) VALUES (${symbol}, ${record})
    ON CONFLICT (symbol, md5(raw::text)) DO UPDATE SET times = known.times + 1 RETURNING id`
  await sql`INSERT INTO item_rejected_rows (item_id, rejected_row_id) VALUES (${itemId}, ${kept?.id ?? '0'})`
}

async function addLedger(sql: postgres.Sql, has: (table: string, column: string) => boolean): Promise<void> {
  await sql`
    INSERT INTO provider_requests (slot_at, key_fingerprint, function, outputsize, item_id, outcome, duration_ms, bytes, concluded_at)
    SELECT now() - turn * interval '1 minute', 'fingerprint', 'TIME_SERIES_DAILY', 'compact', turn,
           (ARRAY['accepted', 'foreign', 'daily_limit', NULL])[turn % 4 + 1], 120, 4096, now() - turn * interval '1 minute'
      FROM generate_series(1, 8) AS turn`
  await sql`
    INSERT INTO provider_access (key_fingerprint, function, outputsize, state, refusals, decided_at)
    VALUES ('fingerprint', 'TIME_SERIES_DAILY', 'compact', 'accepted', 0, now()) ON CONFLICT DO NOTHING`
  await sql`
    INSERT INTO provider_request_days (day, outcome, requests, bytes) VALUES ('2026-11-20', 'accepted', 24, 98304) ON CONFLICT DO NOTHING`
  await sql`UPDATE provider_state SET plan = 'free'`
  if (has('provider_state', 'said_per_day'))
    await sql`UPDATE provider_state SET said_per_day = 25, said_at = now(), said_detail = 'The day is spent.'`
}
