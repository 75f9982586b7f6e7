import { deepEqual, equal, ok } from 'node:assert/strict'
import { z } from 'zod'
import { faketimeLibrary } from '../../../servers/faketime.js'
import { BACKENDS } from '../../environment/backends.js'
import type { Environment } from '../../environment/environment.js'
import { symbols } from '../../environment/symbols.js'
import { servedRows, storedRows } from '../../invariants/upstream-rows.js'
import type { Scenario } from '../scenario.js'

const DAY_MS = 86_400_000
/** The first backoff is at least 2.5 s, of which up to a second may be cut. */
const LEAST_BACKOFF_MS = 1_500
const SERIES_KEY = 'Time Series (Daily)'

export const clockWrong: Scenario = {
  number: 30,
  title: "workers' clocks are 2 days ahead and 2 behind: limits kept, no bar of the future, retries in time",
  backends: BACKENDS,
  environment: { workers: 0, limits: { perSecond: 5, perMinute: 0, perDay: 0 } },
  async run(environment) {
    const { http, simulator, sql, programs, until, drained } = environment
    let library: string
    try {
      library = await faketimeLibrary()
    } catch (error) {
      return { skipped: `There is no libfaketime: install faketime. ${String(error)}` }
    }
    const start = (offset: string) =>
      programs.startWorker({ LD_PRELOAD: library, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' })
    const tomorrow = new Date(environment.servers.now().getTime() + DAY_MS).toISOString().slice(0, 10)
    simulator.rule({
      symbol: 'FUTURE',
      answer: { kind: 'raw', body: await withBarOf(tomorrow, environment) },
    })
    // Both workers run at once and share the windows of the limits.
    const ahead = await start('+2d')
    const behind = await start('-2d')
    const sound = symbols(20)
    await http.ingest([...sound, 'FUTURE'])
    await drained()
    const future =
      await sql`SELECT FROM financial_data WHERE date > ${environment.servers.now().toISOString()}::date`
    equal(future.length, 0, 'bars of the future')
    for (const symbol of sound) await expectAccountedFor(environment, symbol)

    // An item that the worker behind snoozes for a backoff looks long due to the worker ahead, which must wait all the same.
    const failing = Array.from({ length: 6 }, (_, index) => `FAILING${index}`)
    for (const symbol of failing)
      simulator.rule({ symbol, times: 1, answer: { kind: 'status', status: 503 } })
    await http.ingest(failing)
    await drained()
    for (const symbol of failing) {
      const [first, second] = simulator.arrivals().filter((arrival) => arrival.symbol === symbol)
      const waitedMs = (second?.at ?? 0) - (first?.at ?? 0)
      ok(waitedMs > LEAST_BACKOFF_MS, `${symbol} was tried again after ${waitedMs} ms`)
    }

    // The worker ahead snoozes an item for a backoff, and the item must not wait for two days.
    await programs.stop(behind)
    simulator.rule({ symbol: 'LATER', times: 1, answer: { kind: 'status', status: 503 } })
    await http.ingest(['LATER'])
    await until(
      'a failed attempt',
      async () => (await sql`SELECT FROM ingest_failures WHERE symbol = 'LATER'`).length > 0,
    )
    await programs.stop(ahead)
    await programs.startWorker()
    const rightAt = performance.now()
    await drained()
    const recoveryMs = Math.round(performance.now() - rightAt)

    // With the right clock the rows that were in doubt are stored.
    simulator.clearRules()
    await http.ingest([...sound, 'FUTURE'], { force: true })
    await drained()
    return { recoveryMs }
  },
}

/**
 * Checks that no bar is lost: a worker whose clock is behind puts the newest bars into quarantine as bars of the future, or
 * counts them as provisional.
 */
async function expectAccountedFor(environment: Environment, symbol: string): Promise<void> {
  const served = await servedRows(environment, symbol, 'compact')
  const stored = new Set(await storedRows(environment, symbol))
  const missing = served.filter((line) => !stored.has(line)).map((line) => line.slice(0, 10))
  const [item] = await environment.sql<{ provisional: number }[]>`
    SELECT rows_provisional AS provisional FROM ingest_items WHERE symbol = ${symbol}`
  const rejected = await environment.sql<{ date: string; reasons: string[] }[]>`
    SELECT date::text, reasons FROM rejected_rows WHERE symbol = ${symbol} ORDER BY date DESC`
  deepEqual(
    rejected.map((row) => row.date),
    missing.slice(0, rejected.length),
    `rejected rows of ${symbol}`,
  )
  equal(item?.provisional, missing.length - rejected.length, `provisional rows of ${symbol}`)
  ok(rejected.every((row) => row.reasons.join() === 'future_date'))
}

/** The usual answer with one bar more, that of `date`. */
async function withBarOf(date: string, { servers }: Environment): Promise<string> {
  const query = 'function=TIME_SERIES_DAILY&symbol=FUTURE&outputsize=compact&apikey=reference'
  const answer = await fetch(`${servers.reference.url}/query?${query}`)
  const body = z.looseObject({ [SERIES_KEY]: z.record(z.string(), z.unknown()) }).parse(await answer.json())
  const series = z.record(z.string(), z.unknown()).parse(body[SERIES_KEY])
  const [newest] = Object.values(series)
  return JSON.stringify({ ...body, [SERIES_KEY]: { [date]: newest, ...series } })
}
