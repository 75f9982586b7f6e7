import { equal, ok } from 'node:assert/strict'
import type { Rule } from '@stockpile/alphavantage/simulator'
import type { Environment } from '../environment/environment.js'
import { chargedAttempts } from './attempts.js'

/** How many requests may follow a refusal: a worker that had reserved a slot before it was recorded still sends. */
export const MOST_UNDER_WAY = 8
/** Two workers that together have `MOST_UNDER_WAY` requests under way. */
export const TWO_WORKERS = { workers: 2, concurrency: MOST_UNDER_WAY / 2 }
const EARLY_MS = 100

/**
 * Refuses one request in the middle of a run for a limit, and checks that no worker sends anything for `pauseMs`, that the run
 * shows `waiting_quota`, that no attempt is charged, and that no item succeeds without rows.
 * @returns how long after the pause the first request came, in milliseconds
 */
export async function outlastRefusal(
  { http, simulator, sql, random, until, drained }: Environment,
  answer: Rule['answer'],
  pauseMs: number,
): Promise<number> {
  const before = simulator.arrivals().length
  // Numbered by the requests so far, so that a second refusal in one environment asks for other symbols.
  const symbols = Array.from({ length: 12 }, (_, index) => `SYM${before + index}`)
  simulator.clearRules()
  simulator.rule({ nth: random.between(2, 8), times: 1, answer })
  const { id } = await http.ingest(symbols)
  const refusal = () =>
    simulator.arrivals().find((arrival, index) => index >= before && arrival.answer !== 'series')
  await until('the refusal', refusal)
  const refusedAt = refusal()?.at ?? 0
  await until('waiting_quota', async () => (await http.run(id)).status === 'waiting_quota')
  await drained(pauseMs + 60_000)

  const passed = simulator.arrivals().flatMap(({ at }) => (at > refusedAt ? [at - refusedAt] : []))
  const underWay = passed.filter((ms) => ms < pauseMs - EARLY_MS)
  const times = underWay.map((ms) => `${Math.round(ms)} ms`).join()
  // A busy machine may send these late, but within half of the pause, which is seconds.
  ok(
    underWay.length < MOST_UNDER_WAY && underWay.every((ms) => ms < Math.max(2_000, pauseMs / 2)),
    `Requests came after the refusal, in its pause of ${pauseMs} ms: after ${times}`,
  )
  equal(await chargedAttempts(sql), 0, 'attempts charged')
  const empty = await sql`
    SELECT FROM ingest_items WHERE state <> 'succeeded' OR outcome <> 'fetched' OR rows_fetched = 0`
  equal(empty.length, 0, 'items without rows')
  return Math.round((passed[underWay.length] ?? pauseMs) - pauseMs)
}
